import * as z from 'zod';
import { eventTypes } from './event-types.ts';
import { choiceField, field, integerField, isBareUrl, type Immutable } from '../../settings/field.ts';
import { access } from './grantees.ts';
import { DEFAULT_PORT } from '../listen.ts';
import { delivery } from './delivery.ts';
import { ingest } from './ingest.ts';
import { limits } from './limits.ts';
import { outgoing } from './outgoing.ts';
import { portal } from './portal.ts';
import { presence } from './presence.ts';
import { rules, ruleSettings } from './rules.ts';
import { sessions } from './sessions.ts';
import { site } from './site.ts';
import { tokens } from './tokens.ts';
import { identityStore } from './identity-store.ts';
import { telemetry } from './telemetry.ts';
import { DATA_DOC, DATA_FORM } from '../../storage/data-setting.ts';
import { subscriptions } from '../../subscriptions/settings.ts';
import { websub } from '../../subscriptions/dialects/websub/settings.ts';

const DAY_SECONDS = 86_400;
/** More processes than cores gain nothing. */
const PROCESSES_MAX = 64;

const tls = {
  certificateFile: field(z.string().min(1).nullable().default(null), {
    form: 'path of a PEM file or null',
    doc: 'The certificate with its chain. With it and `tls.keyFile`, the hub serves https and wss only.',
    why: 'Most hubs run behind a proxy that terminates TLS.',
    live: 'between_values',
  }),
  keyFile: field(z.string().min(1).nullable().default(null), {
    form: 'path of a PEM file or null',
    doc: 'The private key of `tls.certificateFile`. Set both or neither.',
    why: 'The same as for the certificate.',
    live: 'between_values',
  }),
  reloadIntervalMs: integerField(
    { unit: 'milliseconds', min: 100, max: 86_400_000, default: 10_000 },
    {
      doc: 'How often the hub reads both files. When they have changed and match, new connections use the new certificate. A reload makes the hub read them immediately.',
      why: 'Two small reads. Polling also works where file notifications do not: on network disks and with replaced symbolic links.',
    },
  ),
  http2: field(z.boolean().default(true), {
    form: 'true or false',
    doc: 'Clients may use HTTP/2. The event streams, polls and publishes of a client then share one connection. WebSockets use HTTP/1.1.',
    why: 'Without it, a browser holds at most six event streams to one address, over all its pages.',
  }),
  hstsMaxAgeSeconds: integerField(
    { unit: 'seconds', min: 0, max: 63_072_000, default: 0 },
    {
      doc: 'The `max-age` of `Strict-Transport-Security`: how long browsers use only TLS for this host. 0: the hub does not send the header.',
      why: 'The header applies to all ports of the host name and cannot be revoked, so the owner of the name has to decide.',
    },
  ),
};

const identity = {
  expiringSeconds: integerField(
    { unit: 'seconds', min: 1, max: 3600, default: 30 },
    {
      doc: 'How long before its credentials expire a stream receives `polycast.expiring`, or, where the site can be asked, the hub renews them without the client. For credentials valid less than four times as long, it is the last quarter of their time.',
      why: 'Enough time for a client to fetch a new token over a slow network, and to try a second time.',
    },
  ),
  resumeSeconds: integerField(
    { unit: 'seconds', min: 0, max: 365 * DAY_SECONDS, default: 3600 },
    {
      doc: 'A client may be allowed to subscribe to a channel, but not to read its `history`. It may then resume from a cursor if no event after the cursor is older than this. Resuming from an older cursor counts as reading history, and the hub refuses it.',
      why: 'Clients can invent cursors, so without a limit any cursor would open the whole history. An hour outlasts a lunch break.',
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
      doc: 'The pause between two steps of retention. Each step removes a small number of expired events.',
      why: 'Frequent enough for a busy hub, and rare enough to cost nothing on a quiet one.',
    },
  ),
  scrubBytesPerSecond: integerField(
    { unit: 'bytes', min: 0, max: 1024 * 1024 * 1024, default: 1024 * 1024 },
    {
      doc: 'Once a day the hub reads the log at this rate and verifies its checksums. It reports damage on the disk before a reader meets it (`log_damaged` in `/healthz`). 0: never.',
      why: 'A log of 90 GB in a day, for 1 to 4 % of a processor core and a smaller share of a disk.',
    },
  ),
};

const optionalPath = z.string().min(1).nullable().default(null);

const cluster = {
  nats: field(
    z
      .array(z.string().regex(/^(?:nats|tls):\/\/[^\s/?#@]+$/))
      .max(100)
      .default([]),
    {
      form: 'list of URLs (`nats://10.0.0.1:4222`)',
      doc: 'The NATS brokers whose JetStream holds the journal of a cluster. All hubs with the same `cluster.name` there are one cluster. An empty list: a hub of its own, without a cluster.',
      why: 'One hub needs no broker. With an empty list it does not load the NATS client.',
    },
  ),
  name: field(
    z
      .string()
      .regex(/^[A-Za-z0-9_]{1,32}$/)
      .default('polycast'),
    {
      form: 'letters, digits and `_`, at most 32',
      doc: 'The name of the cluster. The stream in JetStream is `PC_NAME`, and its subjects begin with `pc.NAME.`.',
      why: 'Brokers of one site usually carry one cluster.',
    },
  ),
  credentials: field(optionalPath, {
    form: 'path of a file or null',
    doc: 'The credentials for the brokers: a `.creds` file of NATS.',
    why: 'Brokers on a private network may need none.',
  }),
  tls: z
    .strictObject({
      caFile: field(optionalPath, {
        form: 'path of a PEM file or null',
        doc: "The certificates that sign the brokers' certificates.",
        why: 'Without it, the certificates that Node.js trusts apply where a broker asks for TLS.',
      }),
      certificateFile: field(optionalPath, {
        form: 'path of a PEM file or null',
        doc: 'The certificate by which this hub identifies itself to the brokers.',
        why: 'Only brokers that verify their clients need it.',
      }),
      keyFile: field(optionalPath, {
        form: 'path of a PEM file or null',
        doc: 'The private key of `cluster.tls.certificateFile`. Set both or neither.',
        why: 'The same as for the certificate.',
      }),
    })
    .prefault({}),
  sealKeyFile: field(optionalPath, {
    form: 'path of a file or null',
    doc: 'The keys that seal secrets at the brokers: users, keys, subscriptions and snapshots. The file has 1 to 10 lines of 64 hexadecimal digits each (`openssl rand -hex 32`), the same at every hub. The first line seals. The others open what was sealed before.',
    why: 'Without a file nothing is sealed. The hubs of a cluster need the same one, so there is no default.',
  }),
  replicas: integerField(
    { unit: 'replicas', min: 1, max: 5, default: 3 },
    {
      doc: 'The brokers that hold a copy of the journal. The first hub creates the stream with this number. A hub that finds another number is not ready.',
      why: 'With three, publishing continues when one broker is lost.',
    },
  ),
  snapshotBytes: integerField(
    { unit: 'bytes', min: 1024 * 1024, max: 1024 ** 4, default: 1024 ** 3 },
    {
      doc: 'The growth of the journal after which one hub takes a snapshot of its data. If the last snapshot was larger, its size counts instead. Two snapshots stay in the object store `PC_NAME_snapshots` of the brokers, and the journal is trimmed before the older one.',
      why: 'The brokers hold some 2 GiB of the journal, and a new hub applies at most 1 GiB after its snapshot.',
    },
  ),
  monitoring: field(
    z
      .array(z.string().regex(/^https?:\/\/[^\s?#@]+$/))
      .max(100)
      .default([]),
    {
      form: 'list of URLs (`http://10.0.0.1:8222`)',
      doc: 'The monitoring ports of the brokers (`http_port` of NATS). Through them the hub checks that each broker with a copy of the journal has `sync_interval: always`. A hub that cannot see it is not ready (`cluster_unsafe`).',
      why: 'By default NATS confirms a block before it syncs it. A power cut of all brokers would then lose events that the hubs have confirmed.',
    },
  ),
};

const drain = {
  timeMs: integerField(
    { unit: 'milliseconds', min: 0, max: 3_600_000, default: 10_000 },
    {
      doc: 'After SIGTERM the hub closes its sessions evenly over this time, and then exits.',
      why: "50,000 clients reconnect at 5,000 a second, and 20 s of Kubernetes' 30 s are left.",
      live: true,
    },
  ),
};

const logging = {
  level: choiceField(['debug', 'info', 'warn', 'error', 'silent'], 'info', {
    doc: 'The lowest level of messages that the hub logs.',
    why: 'Starts, stops and problems, but no line per request.',
    live: true,
  }),
  format: choiceField(['json', 'pretty'], 'json', {
    doc: '`json`: one JSON object per line. `pretty`: text for people. `polycast dev` uses `pretty`.',
    why: 'Programs read the logs of a server before people do.',
  }),
};

const lab = {
  enabled: field(z.boolean().default(false), {
    form: '`true` or `false`',
    doc: 'Serves the Transport Lab at `/lab`. `polycast dev` turns it on.',
    why: 'The Lab publishes events and shows network traffic. It is for learning, not for production.',
  }),
};

const operatorConsole = {
  enabled: field(z.boolean().default(true), {
    form: '`true` or `false`',
    doc: 'Serves the console at `/console`. With `access: rules` it requires a login with an admin key, or with a token that says `"polycast": {"console": true}`.',
    why: 'The pages hold no data, and the API behind them requires the same permissions without them.',
  }),
  loginSeconds: integerField(
    { unit: 'seconds', min: 60, max: 30 * DAY_SECONDS, default: 43_200 },
    {
      doc: 'How long a login to the console is valid. It ends earlier with its key, with a revocation of its user, or when the user logs out.',
      why: 'A working day: nobody has to paste a key twice a day, and a forgotten browser is logged out overnight.',
    },
  ),
};

/** The whole configuration, field by field, in the order of the reference. */
export const configSchema = z.strictObject({
  listen: field(z.string().default(`127.0.0.1:${DEFAULT_PORT}`), {
    form: 'host:port, an IPv6 address in brackets',
    doc: 'The address to listen on. Port 0 selects a free port.',
    why: 'Only this machine can reach a hub until you configure otherwise.',
  }),
  publicUrl: field(
    z
      .string()
      .refine(
        (text) => isBareUrl(text) && !text.endsWith('/'),
        'must be an http or https URL without user name, query, fragment or trailing slash',
      )
      .nullable()
      .default(null),
    {
      form: 'URL (`https://events.example`, `https://shop.example/hub`) or null',
      doc: 'The URL by which others reach this hub. WebSub topics and their `Link` headers use it.',
      why: 'The host that a request names is correct unless a proxy changes it.',
    },
  ),
  data: field(z.string().min(1).default('./polycast-data'), {
    form: DATA_FORM,
    doc: `${DATA_DOC} Only one hub can use a folder.`,
    why: 'A folder in the current directory is easy to find again.',
  }),
  processes: field(z.union([z.literal('auto'), z.int().min(1).max(PROCESSES_MAX)]).default(1), {
    form: `whole number from 1 to ${PROCESSES_MAX}, or \`auto\``,
    doc: 'The number of processes that share the port and the data folder, on Linux. `auto`: one per processor core. One of them writes the data, all of them serve clients. Limits of connections and of memory hold for each process. Limits of users and addresses, and rates of publishing, hold for all together.',
    why: 'One process serves what most sites need, with the least memory.',
  }),
  access: choiceField(['rules', 'loopback', 'open'], 'rules', {
    doc: '`rules`: `defaults` and `rules` define permissions, and a server needs a key. `loopback`: no access control. The hub then listens on loopback addresses only, and accepts only requests for loopback names and the host of `publicUrl`. `open`: no access control on any address. Everyone who reaches the port can read and publish everything.',
    why: 'Channels are closed until a rule opens them; open access has to be explicit. `polycast dev` uses `loopback`.',
  }),
  tls: z.strictObject(tls).prefault({}),
  allowedOrigins: field(z.array(z.string()).default([]), {
    form: 'list of origins (`https://shop.example`, `https://*.shop.example` for all sub-domains), or `["*"]`',
    doc: "Pages of these origins may read and publish from a browser, also with their visitors' cookies. With `*`, pages of all other origins may too, but without cookies. Pages served from the hub's own address always may.",
    why: 'Same origin only. Otherwise any page that somebody visits could use a hub on their machine.',
    live: true,
  }),
  localPages: choiceField(['none', 'loopback', 'files'], 'none', {
    doc: "Pages of the same machine that are allowed in addition to `allowedOrigins`. `loopback`: pages of `localhost`, `*.localhost`, `127.0.0.1` and `[::1]` at any port, with their visitors' cookies. `files`: also pages opened from a file, which may only read and publish events. Requires a loopback `listen`. `polycast dev` uses `files`.",
    why: 'A page opened from a file has the same origin (`null`) as a sandboxed frame of any web site, so `files` is for development only. `loopback` excludes such frames.',
  }),
  trustedProxies: field(z.array(z.string()).max(100).default([]), {
    form: 'list of addresses and networks (`10.0.0.0/8`, `fd00::/8`, `192.0.2.7`), at most 100',
    doc: "Proxies that the hub trusts to name the client's address. It is the last address in `forwardedHeader` that is not a trusted proxy.",
    why: 'None, because any sender can invent such a header.',
  }),
  forwardedHeader: choiceField(['x-forwarded-for', 'forwarded'], 'x-forwarded-for', {
    doc: "The header in which `trustedProxies` name the client's address. The hub ignores the other one, because proxies pass on headers they do not know.",
    why: 'nginx, HAProxy, Traefik and the cloud load balancers support it.',
  }),
  defaults: z.strictObject({ ...ruleSettings, ...access }).prefault({}),
  rules,
  eventTypes,
  ingest,
  identity: z.strictObject(identity).prefault({}),
  outgoing: z.strictObject(outgoing).prefault({}),
  presence: z.strictObject(presence).prefault({}),
  sessions: z.strictObject(sessions).prefault({}),
  subscriptions: z.strictObject(subscriptions).prefault({}),
  portal: z.strictObject(portal).prefault({}),
  websub: z.strictObject(websub).prefault({}),
  delivery: z.strictObject(delivery).prefault({}),
  limits: z.strictObject(limits).prefault({}),
  storage: z.strictObject(storage).prefault({}),
  cluster: z.strictObject(cluster).prefault({}),
  drain: z.strictObject(drain).prefault({}),
  logging: z.strictObject(logging).prefault({}),
  telemetry: z.strictObject(telemetry).prefault({}),
  console: z.strictObject(operatorConsole).prefault({}),
  lab: z.strictObject(lab).prefault({}),
});

/**
 * The configuration of a hub, complete and checked. Each field is declared once, above or in the
 * files beside: its type, bounds, default and the reason for it. The reference, the environment
 * variables and `--help` follow from the declaration.
 */
export type Config = Immutable<z.output<typeof configSchema>>;
