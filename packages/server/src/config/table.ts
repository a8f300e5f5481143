import * as z from 'zod';
import type { Config } from './config.ts';
import { eventTypes } from './event-types-table.ts';
import { choice, field, whole, wholeOrNull } from './field.ts';
import { access, isRulePattern } from './grantees.ts';
import { presence } from './presence-table.ts';
import { outgoing } from './outgoing-table.ts';
import { site } from './site-table.ts';
import { tokens } from './token-table.ts';
import { standing } from './standing-table.ts';
import { subscriptions } from './subscriptions-table.ts';
import { isBareUrl, websub } from './websub-table.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const DAY_SECONDS = 86_400;

const ruleSettings = {
  retain: choice(['history', 'latest', 'none'], 'history', {
    doc: 'What a channel keeps: its `history` as far as the bounds below allow, only its `latest` event, or `none` beyond what is in memory.',
    why: 'A consumer that comes back gets what it missed only if that was kept.',
  }),
  historyCountMax: wholeOrNull(
    { unit: 'events per channel', min: 1, max: 1e12, default: 1_000_000 },
    {
      doc: 'A channel keeps at most this many events; the oldest go first.',
      why: 'Far above what a live page reads back, and it keeps one runaway publisher from filling the disk within the week.',
    },
  ),
  historyAgeMaxSeconds: wholeOrNull(
    { unit: 'seconds', min: 1, max: 3650 * DAY_SECONDS, default: 7 * DAY_SECONDS },
    {
      doc: 'Events older than this are removed.',
      why: 'Seven days: a laptop closed over a long weekend, or a consumer that failed on Friday, still catches up without a gap.',
    },
  ),
  historyBytesMax: wholeOrNull(
    { unit: 'bytes per channel', min: 1024, max: 1024 * GIB, default: GIB },
    {
      doc: "A channel's events hold at most this many bytes; the oldest go first.",
      why: 'A million events of the largest size would be 256 GiB; 1 GiB holds a million of 1 KiB each, so the count rules as long as events are small.',
    },
  ),
  eventBytesMax: whole(
    { unit: 'bytes', min: 64, max: 16 * MIB, default: 256 * 1024 },
    {
      doc: 'The longest event, as the JSON that subscribers get. A larger one is refused with `event_too_large`.',
      why: 'Events tell that something happened; 256 KiB is what SNS, SQS and EventBridge allow, and it keeps one event within a few batches.',
    },
  ),
  publishRatePerSecond: wholeOrNull(
    { unit: 'events per second and channel', min: 1, max: 1e9, default: null },
    {
      doc: 'How many events a channel takes in a second, in the long run. What goes beyond it is refused with `rate_limited` and `Retry-After`.',
      why: 'No limit: publishers are your own backend, and `limits.appendQueueBytesMax` protects the hub. Set it where clients publish.',
    },
  ),
  publishBurst: wholeOrNull(
    { unit: 'events', min: 1, max: 1e9, default: null },
    {
      doc: 'How many events a channel takes at once before `publishRatePerSecond` holds it back; null means as many as in one second.',
      why: "One second's worth lets an even flow arrive unevenly without changing the long-run rate.",
    },
  ),
  userPublishRatePerSecond: wholeOrNull(
    { unit: 'events per second, channel and user', min: 1, max: 1e9, default: 20 },
    {
      doc: 'How many events a channel takes from one user in a second, in the long run, where a rule lets users publish; from one address, where it lets anyone. Beyond it: `rate_limited` and `Retry-After`. Servers with a key are not meant.',
      why: 'Nobody types so fast, and the pointer on a shared drawing moves no less smoothly; one client that runs wild is held there.',
    },
  ),
  userPublishBurst: wholeOrNull(
    { unit: 'events', min: 1, max: 1e9, default: null },
    {
      doc: 'How many events a channel takes from one user at once before `userPublishRatePerSecond` holds them back; null means as many as in two seconds.',
      why: 'What was queued while a phone was offline goes out together.',
    },
  ),
  eventTypeCheck: choice(['none', 'schema', 'known'], 'none', {
    doc: 'Whether what is published is held against `eventTypes`. `schema`: an event whose type has a schema there must fit it. `known`: also, its type must be there. What does not fit is refused with `event_invalid`.',
    why: "The hub looks into nobody's data unless it is told to; a check parses each event.",
  }),
};

const rule = z.strictObject({
  pattern: field(
    z
      .string()
      .refine(
        isRulePattern,
        'must be a channel pattern: tokens of A-Z a-z 0-9 _ - joined by dots, `*` for one, a last `>` for the rest, `{user}` for the name of the user who asks',
      ),
    {
      form: 'channel pattern',
      doc: 'The channels that the rule is for, as in PROTOCOL.md section 1: `orders.*`, `chat.>`; `{user}` stands for one token like `*`, and for `owner` it is the name of the user who asks: `inbox.{user}.>`.',
      why: 'Required: a rule for everything is `>`, or better `defaults`.',
    },
  ),
  retain: ruleSettings.retain.unwrap().optional(),
  historyCountMax: ruleSettings.historyCountMax.unwrap().optional(),
  historyAgeMaxSeconds: ruleSettings.historyAgeMaxSeconds.unwrap().optional(),
  historyBytesMax: ruleSettings.historyBytesMax.unwrap().optional(),
  eventBytesMax: ruleSettings.eventBytesMax.unwrap().optional(),
  publishRatePerSecond: ruleSettings.publishRatePerSecond.unwrap().optional(),
  publishBurst: ruleSettings.publishBurst.unwrap().optional(),
  userPublishRatePerSecond: ruleSettings.userPublishRatePerSecond.unwrap().optional(),
  userPublishBurst: ruleSettings.userPublishBurst.unwrap().optional(),
  eventTypeCheck: ruleSettings.eventTypeCheck.unwrap().optional(),
  ...access,
});

/** The keys of a rule. */
export const RULE_KEYS: readonly string[] = Object.keys(rule.shape);

const tls = {
  certificateFile: field(z.string().min(1).nullable().default(null), {
    form: 'path of a PEM file, or null',
    doc: 'The certificate with its chain. With `tls.keyFile`, the hub speaks https and wss and nothing else.',
    why: 'Most hubs stand behind a proxy that ends TLS.',
  }),
  keyFile: field(z.string().min(1).nullable().default(null), {
    form: 'path of a PEM file, or null',
    doc: 'The private key of `tls.certificateFile`. Both are set or neither.',
    why: 'As for the certificate.',
  }),
  reloadIntervalMs: whole(
    { unit: 'milliseconds', min: 100, max: 86_400_000, default: 10_000 },
    {
      doc: 'How often both files are looked at; when they have changed and fit together, new connections get the new certificate. SIGHUP has them looked at once.',
      why: 'Two small reads. Looking works where being told does not: network disks, and links that are put elsewhere.',
    },
  ),
  http2: field(z.boolean().default(true), {
    form: 'true or false',
    doc: 'Clients may choose HTTP/2: event streams, polls and publishes of one client share a connection. WebSockets stay on HTTP/1.1.',
    why: 'Without it a browser holds no more than six event streams to one address, over all its pages.',
  }),
  hstsMaxAgeSeconds: whole(
    { unit: 'seconds', min: 0, max: 63_072_000, default: 0 },
    {
      doc: '`Strict-Transport-Security`: for so long browsers come to this host by TLS only. 0: the header is not sent.',
      why: 'It holds for all ports of the host name, and cannot be taken back: that is for whoever owns the name to say.',
    },
  ),
};

const identity = {
  expiringSeconds: whole(
    { unit: 'seconds', min: 1, max: 3600, default: 30 },
    {
      doc: 'How long before its standing ends a stream is told so (`polycast.expiring`), or, where the site can be asked, that is renewed without its client. What lasts less than four times as long is told in its last quarter.',
      why: 'Time enough for a client to fetch a new token through a slow network and to try a second time.',
    },
  ),
  resumeSeconds: whole(
    { unit: 'seconds', min: 0, max: 365 * DAY_SECONDS, default: 3600 },
    {
      doc: 'Who may subscribe to a channel, but not read its `history`, may go on from a cursor as long as nothing after it is older than this. Going on from an older one is looking back, and refused.',
      why: 'Cursors can be made up, so without a bound each would be a way into all of the past. An hour outlasts a lunch break.',
    },
  ),
  ...standing,
  ...tokens,
  site,
};

const delivery = {
  heartbeatMs: whole(
    { unit: 'milliseconds', min: 1000, max: 3_600_000, default: 25_000 },
    {
      doc: 'A stream on which nothing was sent for this long gets a heartbeat that carries its cursor.',
      why: 'Below the 30 s after which the most impatient proxies and mobile networks cut a silent connection.',
    },
  ),
  reconnectMs: whole(
    { unit: 'milliseconds', min: 100, max: 600_000, default: 2000 },
    {
      doc: 'What SSE streams announce as `retry:`: how long a client waits before it comes back.',
      why: 'Short enough that a person hardly notices, long enough that a restart is over when the first ones come back.',
    },
  ),
  tailBytesMax: whole(
    { unit: 'bytes', min: 64 * 1024, max: 64 * GIB, default: 16 * MIB },
    {
      doc: 'How much of the newest events is held in memory. Readers within it never touch the disk; those behind it read the log.',
      why: 'At 256 bytes an event it holds some 60,000: every reconnect storm of a busy hub. More would be paid for by every hub, and what is older is read from the disk once for all who want it.',
    },
  ),
  batchBytesMax: whole(
    { unit: 'bytes', min: 4096, max: 16 * MIB, default: 64 * 1024 },
    {
      doc: 'How much is written to one connection at once; the next batch follows when its socket has taken this one. At least one event always goes.',
      why: 'One write of 64 KiB costs little more than one of 16; more would only wait in memory in front of a slow socket, and a thousand of those may each wait at another place.',
    },
  ),
  stalledTimeoutMs: whole(
    { unit: 'milliseconds', min: 1000, max: 86_400_000, default: 600_000 },
    {
      doc: 'A connection that takes nothing for this long while something waits for it is closed (WebSocket: 4408). It loses nothing: it comes back with its cursor.',
      why: 'A stalled reader costs a socket and no queue, so patience is cheap: ten minutes outlast a tunnel, a lift and a suspended tab.',
    },
  ),
  pollBytesMax: whole(
    { unit: 'bytes', min: 4096, max: 64 * MIB, default: MIB },
    {
      doc: "The events of one poll's answer hold at most this many bytes; the next poll gets more at once (PROTOCOL.md section 5.4).",
      why: 'A thousand events of 1 KiB, the largest `limit`, fit; beyond that a page only delays its first event.',
    },
  ),
  pollWaitMaxSeconds: whole(
    { unit: 'seconds', min: 1, max: 60, default: 60 },
    {
      doc: 'The longest `wait=` of a long poll; a longer one is refused, as PROTOCOL.md section 4 says.',
      why: 'Common proxies give up on a silent answer after 60 s.',
    },
  ),
  logReadsConcurrentMax: whole(
    { unit: 'reads', min: 1, max: 1024, default: 8 },
    {
      doc: 'At most this many reads of the log are at work at once; the others wait in order. Identical ones are done once.',
      why: 'More at once do not make a disk faster, but each holds a page in memory and delays the others.',
    },
  ),
};

const limits = {
  connectionsMax: whole(
    { unit: 'connections', min: 1, max: 10_000_000, default: 50_000 },
    {
      doc: 'Beyond this many, new connections get `503 overloaded` and are closed.',
      why: 'Some 300 MB at 6 kB for each idle one. Raise it together with `ulimit -n`; the hub also refuses gracefully when that runs out.',
    },
  ),
  connectionsPerUserMax: wholeOrNull(
    { unit: 'connections', min: 1, max: 10_000_000, default: 100 },
    {
      doc: 'How many streams and waiting polls one user may have at once; one more gets `429 too_many_connections`. Servers with a key are not meant.',
      why: 'A person with three devices and thirty tabs is well below it; a script that leaks connections is not.',
    },
  ),
  connectionsPerAddressMax: wholeOrNull(
    { unit: 'connections', min: 1, max: 10_000_000, default: null },
    {
      doc: 'How many streams and waiting polls may come from one address (IPv6: from one /64) at once; one more gets `429 too_many_connections`. Servers with a key are not meant. Behind a proxy, set `trustedProxies` first.',
      why: 'No limit: a whole office, or a mobile network, is one address, and so is a proxy that is not named in `trustedProxies`.',
    },
  ),
  socketsPerAddressMax: wholeOrNull(
    { unit: 'connections', min: 1, max: 10_000_000, default: null },
    {
      doc: 'How many TCP connections one address (IPv6: one /64) may have at once, whether or not a request has come on them. On the next 16 the first request gets `429 too_many_connections`; those beyond are closed at once. Proxies of `trustedProxies` are not meant.',
      why: 'No limit, as for `connectionsPerAddressMax`. Where it is set, leave room: a browser holds up to six, one that polls keeps them between its requests, and servers with a key come from addresses too.',
    },
  ),
  webSocketEntryTimeoutMs: whole(
    { unit: 'milliseconds', min: 250, max: 3_600_000, default: 30_000 },
    {
      doc: 'How long a WebSocket may do without a channel as long as nobody knows whose it is. Then it is closed with 4408. Saying who it is, subscribing, or publishing is enough.',
      why: 'A client that connects to say who it is does so within a round trip or two; what stays silent for half a minute only takes up room.',
    },
  ),
  clientPublishRatePerSecond: wholeOrNull(
    { unit: 'events per second and client', min: 1, max: 1e9, default: 100 },
    {
      doc: 'How many events one user may publish in a second on all channels together, in the long run; one address, where anyone may. Beyond it: `429 rate_limited`. Servers with a key are not meant.',
      why: 'Five channels at the full `userPublishRatePerSecond`.',
    },
  ),
  clientPublishBurst: wholeOrNull(
    { unit: 'events', min: 1, max: 1e9, default: null },
    {
      doc: 'How many at once before `limits.clientPublishRatePerSecond` holds them back; null means as many as in two seconds.',
      why: 'As for `userPublishBurst`.',
    },
  ),
  headerBytesMax: whole(
    { unit: 'bytes', min: 2048, max: MIB, default: 16_384 },
    {
      doc: 'Request line and headers together; beyond it `431 headers_too_large`.',
      why: "Node's own default, and room for the cookies that a page's other services set.",
    },
  ),
  headersTimeoutMs: whole(
    { unit: 'milliseconds', min: 100, max: 600_000, default: 10_000 },
    {
      doc: 'The headers must have come within this time; else `408 request_timeout`, and the connection is closed.',
      why: 'A slow phone needs one or two seconds; who needs more than ten is holding the door open.',
    },
  ),
  bodyBytesMax: whole(
    { unit: 'bytes', min: 1024, max: GIB, default: 16 * MIB },
    {
      doc: 'The longest body that is read as a whole; beyond it `413 body_too_large`. NDJSON is read line by line and has no such limit.',
      why: 'A batch of 10,000 events of 1.6 KiB. Larger loads belong into NDJSON, which needs no memory.',
    },
  ),
  bodiesBytesMax: whole(
    { unit: 'bytes', min: 1024, max: 1024 * GIB, default: 256 * MIB },
    {
      doc: 'What all bodies together may hold that are being read and have not come in one piece; beyond it `503 overloaded`.',
      why: 'Sixteen of the longest at once. Without it, whoever opens many connections and never ends their bodies fills the memory.',
    },
  ),
  bodyTimeoutMs: whole(
    { unit: 'milliseconds', min: 100, max: 3_600_000, default: 30_000 },
    {
      doc: 'A body that is read as a whole must have come within this time, and an NDJSON body may pause no longer; else `408 request_timeout`.',
      why: '16 MiB in 30 s is 4.5 Mbit/s; a publisher in a data centre needs a fraction of that.',
    },
  ),
  keepAliveTimeoutMs: whole(
    { unit: 'milliseconds', min: 1000, max: 3_600_000, default: 65_000 },
    {
      doc: 'An idle connection is kept for the next request for this long.',
      why: 'Longer than the 60 s of nginx and the common load balancers, so that they close first and never send into a closing connection.',
    },
  ),
  http2StreamsMax: whole(
    { unit: 'streams', min: 1, max: 100_000, default: 100 },
    {
      doc: 'Open streams of one HTTP/2 connection; those beyond it are refused (`REFUSED_STREAM`). All open streams together are at most `limits.connectionsMax`.',
      why: "RFC 9113 advises no less. A page has no use for more, and an attacker's connection costs a hundred streams at most.",
    },
  ),
  http2ResetsPerSecondMax: whole(
    { unit: 'streams a second', min: 1, max: 1_000_000, default: 50 },
    {
      doc: 'How many of its streams an HTTP/2 client may take back, and ten times as many at once; then its connection is closed.',
      why: 'A page that leaves takes back all its streams at once, and not again. Opening streams only to take them back is an attack (CVE-2023-44487).',
    },
  ),
  channelsPerConsumerMax: whole(
    { unit: 'channels and patterns', min: 1, max: 10_000, default: 100 },
    {
      doc: 'How many channels and patterns one consumer may have; beyond it `400 too_many_channels`.',
      why: 'PROTOCOL.md section 4 promises 100. Who needs more wants a pattern.',
    },
  ),
  batchEventsMax: whole(
    { unit: 'events', min: 1, max: 1_000_000, default: 10_000 },
    {
      doc: 'How many events one JSON array may hold; beyond it `413 batch_too_large`.',
      why: 'PROTOCOL.md section 8.1 promises 10,000. More belongs into NDJSON.',
    },
  ),
  messageBytesMax: whole(
    { unit: 'bytes', min: 1024, max: 16 * MIB, default: 262_144 },
    {
      doc: 'The longest WebSocket message of a client; beyond it close code 1009.',
      why: 'PROTOCOL.md section 7.5 promises 256 KiB.',
    },
  ),
  channelsMax: whole(
    { unit: 'channels', min: 1, max: 1_000_000_000, default: 1_000_000 },
    {
      doc: 'How many channels the log may hold; publishing to another gets `503 channel_limit`. A channel whose events are all gone counts no more.',
      why: 'A channel for each order or user of a large product; a bound, because each costs a row and its name is chosen by publishers.',
    },
  ),
  appendQueueBytesMax: whole(
    { unit: 'bytes', min: 64 * 1024, max: 16 * GIB, default: 64 * MIB },
    {
      doc: 'How many bytes of events may be accepted and not yet durable; publishing beyond it gets `503 overloaded`. NDJSON is read more slowly instead.',
      why: 'Seconds of work for a slow disk; what waits longer than that should be told so.',
    },
  ),
};

const storage = {
  retentionIntervalMs: whole(
    { unit: 'milliseconds', min: 10, max: 3_600_000, default: 1000 },
    {
      doc: 'The pause between two steps of removal of what the rules no longer keep. Each step is small.',
      why: 'Often enough to keep up with a busy hub, rarely enough to cost nothing on a quiet one.',
    },
  ),
};

const drain = {
  timeMs: whole(
    { unit: 'milliseconds', min: 0, max: 3_600_000, default: 10_000 },
    {
      doc: 'After SIGTERM the sessions are sent away over this time, evenly, and then the hub ends.',
      why: "Spreads 50,000 reconnects to 5,000 a second, and leaves 20 s of Kubernetes' 30.",
    },
  ),
};

const logging = {
  level: choice(['debug', 'info', 'warn', 'error', 'silent'], 'info', {
    doc: 'The least serious message that is logged.',
    why: 'Starts, stops and what needs attention; nothing for each request.',
  }),
  format: choice(['json', 'pretty'], 'json', {
    doc: '`json`: one object a line. `pretty`: for people. `polycast dev` uses `pretty`.',
    why: 'Logs of a server are read by machines first.',
  }),
};

const lab = {
  enabled: field(z.boolean().default(false), {
    form: '`true` or `false`',
    doc: 'Serves the Transport Lab at `/lab`. `polycast dev` turns it on.',
    why: 'It publishes and shows what it does with the network: made for learning, not for production.',
  }),
};

/** The whole configuration, field by field, in the order of the reference. */
export const configSchema: z.ZodType<Config, unknown> & { readonly shape: Readonly<Record<string, z.core.$ZodType>> } =
  z.strictObject({
    listen: field(z.string().default('127.0.0.1:8080'), {
      form: 'host:port, an IPv6 address in brackets',
      doc: 'Where the hub listens. Port 0 takes any free one.',
      why: 'A hub without access control belongs to this machine alone until somebody says otherwise.',
    }),
    publicUrl: field(
      z
        .string()
        .refine(
          (text) => isBareUrl(text) && !text.endsWith('/'),
          'must be an http or https URL without user, query, fragment and last slash',
        )
        .nullable()
        .default(null),
      {
        form: 'URL (`https://events.example`, `https://shop.example/hub`), or null',
        doc: 'Where others reach this hub. WebSub topics and their `Link` headers are told by it.',
        why: 'What a request names as its host is right as long as nothing stands before the hub that changes it.',
      },
    ),
    data: field(z.string().min(1).default('./polycast-data'), {
      form: 'path of a folder, or `:memory:`',
      doc: 'Where the log is kept. `:memory:` keeps nothing across restarts. One hub a folder.',
      why: 'Beside the place where it was started, where it is found again.',
    }),
    access: choice(['rules', 'loopback', 'open'], 'rules', {
      doc: '`rules`: `defaults` and `rules` say who may do what, and a server needs a key. `loopback`: no access control, and so only loopback addresses may be listened on. `open`: no access control on any address: whoever reaches the port may read and publish everything.',
      why: 'Closed until a rule opens it: openness must be said aloud. `polycast dev` uses `loopback`.',
    }),
    tls: z.strictObject(tls).prefault({}),
    allowedOrigins: field(z.array(z.string()).default([]), {
      form: 'list of origins (`https://shop.example`, `https://*.shop.example` for all sub-domains), or `["*"]`',
      doc: "Pages of these origins may read and publish from a browser, also with their visitors' cookies; those of `*`, all the others, without. Pages that the hub's own address serves always may.",
      why: 'Same origin only: otherwise any page that somebody visits could talk to a hub on their machine.',
    }),
    trustedProxies: field(z.array(z.string()).max(100).default([]), {
      form: 'list of addresses and networks (`10.0.0.0/8`, `fd00::/8`, `192.0.2.7`), at most 100',
      doc: "Proxies whose word on the client's address is taken: of the addresses that `forwardedHeader` lists, the last one that is no trusted proxy.",
      why: 'None: what a header says about an address, its sender can make up.',
    }),
    forwardedHeader: choice(['x-forwarded-for', 'forwarded'], 'x-forwarded-for', {
      doc: 'The header in which `trustedProxies` say it. The other one is not looked at: a proxy passes on what it does not know.',
      why: 'nginx, HAProxy, Traefik and the load balancers of the clouds all speak it.',
    }),
    defaults: z.strictObject({ ...ruleSettings, ...access }).prefault({}),
    rules: field(z.array(rule).max(1000).default([]), {
      form: 'list of `{pattern, …}` with any of the settings of `defaults`, at most 1,000',
      doc: 'Each setting of a channel comes from the first rule in the list that covers it and sets it, else from `defaults`.',
      why: 'None is needed to begin.',
    }),
    eventTypes,
    identity: z.strictObject(identity).prefault({}),
    outgoing: z.strictObject(outgoing).prefault({}),
    presence: z.strictObject(presence).prefault({}),
    subscriptions: z.strictObject(subscriptions).prefault({}),
    websub: z.strictObject(websub).prefault({}),
    delivery: z.strictObject(delivery).prefault({}),
    limits: z.strictObject(limits).prefault({}),
    storage: z.strictObject(storage).prefault({}),
    drain: z.strictObject(drain).prefault({}),
    logging: z.strictObject(logging).prefault({}),
    lab: z.strictObject(lab).prefault({}),
  });
