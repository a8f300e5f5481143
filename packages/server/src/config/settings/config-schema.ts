import * as z from 'zod';
import { eventTypes } from './event-types.ts';
import { choiceField, field, integerField } from './field.ts';
import { access } from './grantees.ts';
import { delivery } from './delivery.ts';
import { limits } from './limits.ts';
import { outgoing } from './outgoing.ts';
import { presence } from './presence.ts';
import { rules, ruleSettings } from './rules.ts';
import { site } from './site.ts';
import { tokens } from './tokens.ts';
import { identityStore } from './identity-store.ts';
import { subscriptions } from './subscriptions.ts';
import { isBareUrl, websub } from './websub.ts';

const DAY_SECONDS = 86_400;

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
  reloadIntervalMs: integerField(
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
  hstsMaxAgeSeconds: integerField(
    { unit: 'seconds', min: 0, max: 63_072_000, default: 0 },
    {
      doc: '`Strict-Transport-Security`: for so long browsers come to this host by TLS only. 0: the header is not sent.',
      why: 'It holds for all ports of the host name, and cannot be taken back: that is for whoever owns the name to say.',
    },
  ),
};

const identity = {
  expiringSeconds: integerField(
    { unit: 'seconds', min: 1, max: 3600, default: 30 },
    {
      doc: 'How long before its standing ends a stream is told so (`polycast.expiring`), or, where the site can be asked, that is renewed without its client. What lasts less than four times as long is told in its last quarter.',
      why: 'Time enough for a client to fetch a new token through a slow network and to try a second time.',
    },
  ),
  resumeSeconds: integerField(
    { unit: 'seconds', min: 0, max: 365 * DAY_SECONDS, default: 3600 },
    {
      doc: 'Who may subscribe to a channel, but not read its `history`, may go on from a cursor as long as nothing after it is older than this. Going on from an older one is looking back, and refused.',
      why: 'Cursors can be made up, so without a bound each would be a way into all of the past. An hour outlasts a lunch break.',
    },
  ),
  ...identityStore,
  ...tokens,
  site,
};

const storage = {
  retentionIntervalMs: integerField(
    { unit: 'milliseconds', min: 10, max: 3_600_000, default: 1000 },
    {
      doc: 'The pause between two steps of removal of what the rules no longer keep. Each step is small.',
      why: 'Often enough to keep up with a busy hub, rarely enough to cost nothing on a quiet one.',
    },
  ),
  scrubBytesPerSecond: integerField(
    { unit: 'bytes', min: 0, max: 1024 * 1024 * 1024, default: 1024 * 1024 },
    {
      doc: 'Once a day the log is read at this pace and compared with its checksums, so that damage on the disk is told before a reader comes to it (`log_damaged` in `/healthz`). 0: never.',
      why: 'A log of 90 GB in a day, for one to four hundredths of a processor core and less of what a disk can read.',
    },
  ),
};

const drain = {
  timeMs: integerField(
    { unit: 'milliseconds', min: 0, max: 3_600_000, default: 10_000 },
    {
      doc: 'After SIGTERM the sessions are sent away over this time, evenly, and then the hub ends.',
      why: "Spreads 50,000 reconnects to 5,000 a second, and leaves 20 s of Kubernetes' 30.",
    },
  ),
};

const logging = {
  level: choiceField(['debug', 'info', 'warn', 'error', 'silent'], 'info', {
    doc: 'The least serious message that is logged.',
    why: 'Starts, stops and what needs attention; nothing for each request.',
  }),
  format: choiceField(['json', 'pretty'], 'json', {
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
export const configSchema = z.strictObject({
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
  access: choiceField(['rules', 'loopback', 'open'], 'rules', {
    doc: '`rules`: `defaults` and `rules` say who may do what, and a server needs a key. `loopback`: no access control, and so only loopback addresses may be listened on, and only names of the loopback and of `publicUrl` are answered. `open`: no access control on any address: whoever reaches the port may read and publish everything.',
    why: 'Closed until a rule opens it: openness must be said aloud. `polycast dev` uses `loopback`.',
  }),
  tls: z.strictObject(tls).prefault({}),
  allowedOrigins: field(z.array(z.string()).default([]), {
    form: 'list of origins (`https://shop.example`, `https://*.shop.example` for all sub-domains), or `["*"]`',
    doc: "Pages of these origins may read and publish from a browser, also with their visitors' cookies; those of `*`, all the others, without. Pages that the hub's own address serves always may.",
    why: 'Same origin only: otherwise any page that somebody visits could talk to a hub on their machine.',
  }),
  localPages: choiceField(['none', 'loopback', 'files'], 'none', {
    doc: "Pages of the same machine that are allowed beside `allowedOrigins`. `loopback`: those of `localhost`, `*.localhost`, `127.0.0.1` and `[::1]` at any port, with their visitors' cookies. `files`: these, and pages opened from a file, which may read and publish events and nothing else. Only with a loopback `listen`. `polycast dev` uses `files`.",
    why: 'A page opened from a file looks like a sandboxed frame of any web site (origin `null`): that is for development alone. `loopback` keeps such frames out.',
  }),
  trustedProxies: field(z.array(z.string()).max(100).default([]), {
    form: 'list of addresses and networks (`10.0.0.0/8`, `fd00::/8`, `192.0.2.7`), at most 100',
    doc: "Proxies whose word on the client's address is taken: of the addresses that `forwardedHeader` lists, the last one that is no trusted proxy.",
    why: 'None: what a header says about an address, its sender can make up.',
  }),
  forwardedHeader: choiceField(['x-forwarded-for', 'forwarded'], 'x-forwarded-for', {
    doc: 'The header in which `trustedProxies` say it. The other one is not looked at: a proxy passes on what it does not know.',
    why: 'nginx, HAProxy, Traefik and the load balancers of the clouds all speak it.',
  }),
  defaults: z.strictObject({ ...ruleSettings, ...access }).prefault({}),
  rules,
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

/**
 * The configuration of a hub, complete and checked. Each field is declared once, above or in the
 * files beside: its type, bounds, default and the reason for it. The reference, the environment
 * variables and `--help` follow from the declaration.
 */
export type Config = Immutable<z.output<typeof configSchema>>;

type Immutable<Value> = unknown extends Value ? Value : { readonly [Name in keyof Value]: Immutable<Value[Name]> };
