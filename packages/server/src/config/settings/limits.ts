import { integerField, integerOrNullField } from './field.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

/** The settings of `limits`: bounds on the resources of clients and publishers. */
export const limits = {
  connectionsMax: integerField(
    { unit: 'connections', min: 1, max: 10_000_000, default: 50_000 },
    {
      doc: 'Beyond this many, new connections get `503 overloaded` and are closed.',
      why: 'Some 300 MB at 6 kB for each idle one. Raise it together with `ulimit -n`; the hub also refuses gracefully when that runs out.',
    },
  ),
  connectionsPerUserMax: integerOrNullField(
    { unit: 'connections', min: 1, max: 10_000_000, default: 100 },
    {
      doc: 'How many streams and waiting polls one user may have at once; one more gets `429 too_many_connections`. Servers with a key are not meant.',
      why: 'A person with three devices and thirty tabs is well below it; a script that leaks connections is not.',
    },
  ),
  connectionsPerAddressMax: integerOrNullField(
    { unit: 'connections', min: 1, max: 10_000_000, default: null },
    {
      doc: 'How many streams and waiting polls may come from one address (IPv6: from one /64) at once; one more gets `429 too_many_connections`. Servers with a key are not meant. Behind a proxy, set `trustedProxies` first.',
      why: 'No limit: a whole office, or a mobile network, is one address, and so is a proxy that is not named in `trustedProxies`.',
    },
  ),
  socketsPerAddressMax: integerOrNullField(
    { unit: 'connections', min: 1, max: 10_000_000, default: null },
    {
      doc: 'How many TCP connections one address (IPv6: one /64) may have at once, whether or not a request has come on them. On the next 16 the first request gets `429 too_many_connections`; those beyond are closed at once. Proxies of `trustedProxies` are not meant.',
      why: 'No limit, as for `connectionsPerAddressMax`. Where it is set, leave room: a browser holds up to six, one that polls keeps them between its requests, and servers with a key come from addresses too.',
    },
  ),
  connectionsPerPublicAddressMax: integerOrNullField(
    { unit: 'connections', min: 1, max: 10_000_000, default: 5000 },
    {
      doc: 'How many TCP connections one public address (IPv6: one /64) may have at once where `limits.socketsPerAddressMax` says nothing. Behind `trustedProxies`, how many streams and waiting polls, where `limits.connectionsPerAddressMax` says nothing. Loopback, private and link-local addresses are not meant, nor are trusted proxies. Beyond it `429 too_many_connections`.',
      why: 'A tenth of `limits.connectionsMax`: ten addresses are needed to fill the hub, and an office of a thousand desks does not meet it. Addresses that are not public belong to proxies, containers and load tests. Raise it where mobile networks put many users behind one address; null for no limit.',
    },
  ),
  webSocketEntryTimeoutMs: integerField(
    { unit: 'milliseconds', min: 250, max: 3_600_000, default: 30_000 },
    {
      doc: 'How long a WebSocket may do without a channel as long as nobody knows whose it is. Then it is closed with 4408. Saying who it is, subscribing, or publishing is enough.',
      why: 'A client that connects to say who it is does so within a round trip or two; what stays silent for half a minute only takes up room.',
    },
  ),
  clientPublishRatePerSecond: integerOrNullField(
    { unit: 'events per second and client', min: 1, max: 1e9, default: 100 },
    {
      doc: 'How many events one user may publish in a second on all channels together, in the long run; one address, where anyone may. Beyond it: `429 rate_limited`. Servers with a key are not meant.',
      why: 'Five channels at the full `userPublishRatePerSecond`.',
    },
  ),
  clientPublishBurst: integerOrNullField(
    { unit: 'events', min: 1, max: 1e9, default: null },
    {
      doc: 'How many at once before `limits.clientPublishRatePerSecond` holds them back; null means as many as in two seconds.',
      why: 'As for `userPublishBurst`.',
    },
  ),
  headerBytesMax: integerField(
    { unit: 'bytes', min: 2048, max: MIB, default: 16_384 },
    {
      doc: 'Request line and headers together; beyond it `431 headers_too_large`.',
      why: "Node's own default, and room for the cookies that a page's other services set.",
    },
  ),
  headersTimeoutMs: integerField(
    { unit: 'milliseconds', min: 100, max: 600_000, default: 10_000 },
    {
      doc: 'The headers must have come within this time; else `408 request_timeout`, and the connection is closed.',
      why: 'A slow phone needs one or two seconds; who needs more than ten is holding the door open.',
    },
  ),
  bodyBytesMax: integerField(
    { unit: 'bytes', min: 1024, max: GIB, default: 16 * MIB },
    {
      doc: 'The longest body that is read as a whole; beyond it `413 body_too_large`. NDJSON is read line by line and has no such limit.',
      why: 'A batch of 10,000 events of 1.6 KiB. Larger loads belong into NDJSON, which needs no memory.',
    },
  ),
  bodiesBytesMax: integerField(
    { unit: 'bytes', min: 1024, max: 1024 * GIB, default: 256 * MIB },
    {
      doc: 'What all bodies together may hold that are being read and have not come in one piece; beyond it `503 overloaded`.',
      why: 'Sixteen of the longest at once. Without it, whoever opens many connections and never ends their bodies fills the memory.',
    },
  ),
  clientBodiesBytesMax: integerField(
    { unit: 'bytes', min: 1024, max: 1024 * GIB, default: 32 * MIB },
    {
      doc: 'What the bodies of one user, or of one address of whom nobody is known, may hold of `limits.bodiesBytesMax`; beyond it `503 overloaded`. All users and addresses together may hold three quarters. Servers with a key are not meant.',
      why: 'Two of the longest bodies. Sixteen that nobody ends would else keep everybody from sending for as long as `limits.bodyTimeoutMs`.',
    },
  ),
  answersBytesMax: integerField(
    { unit: 'bytes', min: 64 * 1024, max: 1024 * GIB, default: 256 * MIB },
    {
      doc: 'What all answers together may hold that their clients have asked for and do not take: polls, pages, documents. Beyond it the client with the most of them loses its oldest, and that connection; it asks again with its cursor. One that is not taken within `delivery.stalledTimeoutMs` ends in the same way.',
      why: '256 of the longest polls, or 16,000 of an ordinary length, and as many as one likes that are read as they come. Without it, whoever asks and does not read fills the memory.',
    },
  ),
  bodyTimeoutMs: integerField(
    { unit: 'milliseconds', min: 100, max: 3_600_000, default: 30_000 },
    {
      doc: 'A body that is read as a whole must have come within this time, and an NDJSON body may pause no longer; else `408 request_timeout`.',
      why: '16 MiB in 30 s is 4.5 Mbit/s; a publisher in a data centre needs a fraction of that.',
    },
  ),
  keepAliveTimeoutMs: integerField(
    { unit: 'milliseconds', min: 1000, max: 3_600_000, default: 65_000 },
    {
      doc: 'An idle connection is kept for the next request for this long.',
      why: 'Longer than the 60 s of nginx and the common load balancers, so that they close first and never send into a closing connection.',
    },
  ),
  http2StreamsMax: integerField(
    { unit: 'streams', min: 1, max: 100_000, default: 100 },
    {
      doc: 'Open streams of one HTTP/2 connection; those beyond it are refused (`REFUSED_STREAM`). All open streams together are at most `limits.connectionsMax`.',
      why: "RFC 9113 advises no less. A page has no use for more, and an attacker's connection costs a hundred streams at most.",
    },
  ),
  http2ResetsPerSecondMax: integerField(
    { unit: 'streams a second', min: 1, max: 1_000_000, default: 50 },
    {
      doc: 'How many of its streams an HTTP/2 client may take back, and ten times as many at once; then its connection is closed.',
      why: 'A page that leaves takes back all its streams at once, and not again. Opening streams only to take them back is an attack (CVE-2023-44487).',
    },
  ),
  channelsPerConsumerMax: integerField(
    { unit: 'channels and patterns', min: 1, max: 10_000, default: 100 },
    {
      doc: 'How many channels and patterns one consumer may have; beyond it `400 too_many_channels`.',
      why: 'PROTOCOL.md section 4 promises 100. Who needs more wants a pattern.',
    },
  ),
  batchEventsMax: integerField(
    { unit: 'events', min: 1, max: 1_000_000, default: 10_000 },
    {
      doc: 'How many events one JSON array may hold; beyond it `413 batch_too_large`.',
      why: 'PROTOCOL.md section 8.1 promises 10,000. More belongs into NDJSON.',
    },
  ),
  messageBytesMax: integerField(
    { unit: 'bytes', min: 1024, max: 16 * MIB, default: 262_144 },
    {
      doc: 'The longest WebSocket message of a client; beyond it close code 1009.',
      why: 'PROTOCOL.md section 7.5 promises 256 KiB.',
    },
  ),
  channelsMax: integerField(
    { unit: 'channels', min: 1, max: 1_000_000_000, default: 1_000_000 },
    {
      doc: 'How many channels the log may hold; publishing to another gets `503 channel_limit`. A channel whose events are all gone counts no more.',
      why: 'A channel for each order or user of a large product; a bound, because each costs a row and its name is chosen by publishers.',
    },
  ),
  clientChannelsPercent: integerField(
    { unit: 'percent', min: 0, max: 100, default: 80 },
    {
      doc: 'Clients (users, and whoever nobody knows) may begin a new channel while the log has fewer than this part of `limits.channelsMax`; then they get `503 channel_limit`. Servers with a key may use them all.',
      why: 'A fifth stays for servers: a client that invents names cannot keep them from publishing. 100 where servers begin no channels of their own.',
    },
  ),
  appendQueueBytesMax: integerField(
    { unit: 'bytes', min: 64 * 1024, max: 16 * GIB, default: 64 * MIB },
    {
      doc: 'How many bytes of events may be accepted and not yet durable; publishing beyond it gets `503 overloaded`. NDJSON is read more slowly instead.',
      why: 'Seconds of work for a slow disk; what waits longer than that should be told so.',
    },
  ),
};
