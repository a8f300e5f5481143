import { integerField, integerOrNullField } from '../../settings/field.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

/** The settings of `limits`: bounds on the resources of clients and publishers. */
export const limits = {
  connectionsMax: integerField(
    { unit: 'connections', min: 1, max: 10_000_000, default: 50_000 },
    {
      doc: 'The maximum number of connections. Further ones get `503 overloaded` and are closed. Where the limit of open files has no room for so many, the hub takes fewer, and says so in its log.',
      why: 'About 300 MB, at 6 kB for each idle connection. Raise it together with `ulimit -n`.',
      live: true,
    },
  ),
  connectionsPerUserMax: integerOrNullField(
    { unit: 'connections', min: 1, max: 10_000_000, default: 100 },
    {
      doc: 'The maximum number of concurrent streams and waiting polls of one user. One more gets `429 too_many_connections`. Servers with a key are exempt.',
      why: 'A person with three devices and thirty tabs is well below it, and a script that leaks connections is not.',
      live: true,
    },
  ),
  connectionsPerAddressMax: integerOrNullField(
    { unit: 'connections', min: 1, max: 10_000_000, default: null },
    {
      doc: 'The maximum number of concurrent streams and waiting polls from one address (IPv6: one /64). One more gets `429 too_many_connections`. Servers with a key are exempt. Behind a proxy, set `trustedProxies` first.',
      why: 'No limit, because an office or a mobile network has one address, and so has a proxy that is not in `trustedProxies`.',
      live: true,
    },
  ),
  socketsPerAddressMax: integerOrNullField(
    { unit: 'connections', min: 1, max: 10_000_000, default: null },
    {
      doc: 'The maximum number of TCP connections of one address (IPv6: one /64), with or without a request. On the next 16 connections, the first request gets `429 too_many_connections`; the hub closes further ones immediately. Proxies in `trustedProxies` are exempt.',
      why: 'No limit, as for `connectionsPerAddressMax`. If you set it, leave room: a browser holds up to six connections, also between polls, and servers with a key count too.',
      live: true,
    },
  ),
  connectionsPerPublicAddressMax: integerOrNullField(
    { unit: 'connections', min: 1, max: 10_000_000, default: 5000 },
    {
      doc: 'The maximum number of TCP connections of one public address (IPv6: one /64) if `limits.socketsPerAddressMax` is not set. Behind `trustedProxies`, the maximum number of streams and waiting polls if `limits.connectionsPerAddressMax` is not set. Loopback, private and link-local addresses and trusted proxies are exempt. Beyond it: `429 too_many_connections`.',
      why: 'A tenth of `limits.connectionsMax`: it takes ten addresses to fill the hub, and an office of a thousand people stays below. Private addresses belong to proxies, containers and load tests. Raise it where mobile networks put many users behind one address; null means no limit.',
      live: true,
    },
  ),
  webSocketEntryTimeoutMs: integerField(
    { unit: 'milliseconds', min: 250, max: 3_600_000, default: 30_000 },
    {
      doc: 'How long a WebSocket without known identity may stay open without a channel. Then the hub closes it with 4408. Authentication, a subscription or a publish is enough to stay open.',
      why: 'A client that connects to authenticate does so within a round trip or two. One that stays silent for half a minute only takes room.',
      live: true,
    },
  ),
  clientPublishRatePerSecond: integerOrNullField(
    { unit: 'events per second and client', min: 1, max: 1e9, default: 100 },
    {
      doc: 'The maximum long-term rate of events that one user may publish on all channels together; where anyone may publish, it applies per address. Beyond it: `429 rate_limited`. Servers with a key are exempt.',
      why: 'Five channels at the full `userPublishRatePerSecond`.',
      live: true,
    },
  ),
  clientPublishBurst: integerOrNullField(
    { unit: 'events', min: 1, max: 1e9, default: null },
    {
      doc: 'The maximum burst above `limits.clientPublishRatePerSecond`. null: as many events as in two seconds.',
      why: 'As for `userPublishBurst`.',
      live: true,
    },
  ),
  headerBytesMax: integerField(
    { unit: 'bytes', min: 2048, max: MIB, default: 16_384 },
    {
      doc: 'The maximum size of the request line and headers together. Beyond it: `431 headers_too_large`.',
      why: "Node's own default. It leaves room for the cookies of a page's other services.",
    },
  ),
  headersTimeoutMs: integerField(
    { unit: 'milliseconds', min: 100, max: 600_000, default: 10_000 },
    {
      doc: 'The headers must arrive within this time. Otherwise the hub sends `408 request_timeout` and closes the connection.',
      why: 'A slow phone needs one or two seconds. A client that needs more than ten is probably an attack.',
    },
  ),
  bodyBytesMax: integerField(
    { unit: 'bytes', min: 1024, max: GIB, default: 16 * MIB },
    {
      doc: 'The maximum size of a body that the hub reads as a whole. Beyond it: `413 body_too_large`. The hub reads NDJSON line by line: there it is the limit of a line.',
      why: 'A batch of 10,000 events of 1.6 KiB. Send larger loads as NDJSON, which needs no memory.',
      live: true,
    },
  ),
  bodiesBytesMax: integerField(
    { unit: 'bytes', min: 1024, max: 1024 * GIB, default: 256 * MIB },
    {
      doc: 'The memory for all bodies that are being read and did not arrive in one piece. Beyond it: `503 overloaded`.',
      why: 'Sixteen of the longest bodies at a time. Without it, a client with many connections and unfinished bodies could fill the memory.',
      live: true,
    },
  ),
  clientBodiesBytesMax: integerField(
    { unit: 'bytes', min: 1024, max: 1024 * GIB, default: 32 * MIB },
    {
      doc: 'The share of `limits.bodiesBytesMax` for one user, or for one address without a known user. Beyond it: `503 overloaded`. All users and addresses together may use three quarters. Servers with a key are exempt.',
      why: 'Two of the longest bodies. Otherwise sixteen unfinished bodies could block all senders for `limits.bodyTimeoutMs`.',
      live: true,
    },
  ),
  answersBytesMax: integerField(
    { unit: 'bytes', min: 64 * 1024, max: 1024 * GIB, default: 256 * MIB },
    {
      doc: 'The memory for all responses that clients have requested and do not read: polls, pages, documents. Beyond it, the client with the most of them loses its oldest response and that connection, and asks again with its cursor. A response that is not read within `delivery.stalledTimeoutMs` ends in the same way.',
      why: '256 of the longest polls, or 16,000 of ordinary length. Responses that are read immediately do not count. Without it, a client that requests and does not read could fill the memory.',
      live: true,
    },
  ),
  bodyTimeoutMs: integerField(
    { unit: 'milliseconds', min: 100, max: 3_600_000, default: 30_000 },
    {
      doc: 'A body that the hub reads as a whole must arrive within this time, and an NDJSON body may not pause for longer. Otherwise: `408 request_timeout`.',
      why: '16 MiB in 30 s is 4.5 Mbit/s. A publisher in a data centre needs a fraction of that time.',
      live: true,
    },
  ),
  keepAliveTimeoutMs: integerField(
    { unit: 'milliseconds', min: 1000, max: 3_600_000, default: 65_000 },
    {
      doc: 'How long the hub keeps an idle connection open for the next request.',
      why: 'Longer than the 60 s of nginx and the common load balancers. They close first and never send into a closing connection.',
    },
  ),
  http2StreamsMax: integerField(
    { unit: 'streams', min: 1, max: 100_000, default: 100 },
    {
      doc: 'The maximum number of open streams of one HTTP/2 connection. The hub refuses further ones (`REFUSED_STREAM`). All open streams together are limited by `limits.connectionsMax`.',
      why: 'RFC 9113 recommends at least 100. A page needs no more, and the connection of an attacker costs at most a hundred streams.',
    },
  ),
  http2ResetsPerSecondMax: integerField(
    { unit: 'streams a second', min: 1, max: 1_000_000, default: 50 },
    {
      doc: 'How many of its streams an HTTP/2 client may cancel, with a burst of ten times as many. Beyond it the hub closes the connection.',
      why: 'A page that closes cancels all its streams once. Opening streams only to cancel them is an attack (CVE-2023-44487).',
    },
  ),
  channelsPerConsumerMax: integerField(
    { unit: 'channels and patterns', min: 1, max: 10_000, default: 100 },
    {
      doc: 'The maximum number of channels and patterns of one consumer. Beyond it: `400 too_many_channels`.',
      why: 'PROTOCOL.md section 4 promises 100. For more channels, use a pattern.',
    },
  ),
  batchEventsMax: integerField(
    { unit: 'events', min: 1, max: 1_000_000, default: 10_000 },
    {
      doc: 'The maximum number of events in one JSON array. Beyond it: `413 batch_too_large`.',
      why: 'PROTOCOL.md section 8.1 promises 10,000. Send more as NDJSON.',
      live: true,
    },
  ),
  messageBytesMax: integerField(
    { unit: 'bytes', min: 1024, max: 16 * MIB, default: 262_144 },
    {
      doc: 'The maximum size of a WebSocket message from a client. Beyond it: close code 1009.',
      why: 'PROTOCOL.md section 7.5 promises 256 KiB.',
      live: true,
    },
  ),
  channelsMax: integerField(
    { unit: 'channels', min: 1, max: 1_000_000_000, default: 1_000_000 },
    {
      doc: 'The maximum number of channels in the log. Publishing to another one gets `503 channel_limit`. A channel without events no longer counts.',
      why: 'One channel per order or user of a large product. A limit is necessary because each channel costs a row and publishers choose its name.',
    },
  ),
  clientChannelsPercent: integerField(
    { unit: 'percent', min: 0, max: 100, default: 80 },
    {
      doc: 'Clients (users and anonymous callers) may create a channel while the log has fewer than this percentage of `limits.channelsMax`. After that they get `503 channel_limit`. Servers with a key may use all channels.',
      why: 'A fifth remains for servers, so a client that invents names cannot stop them from publishing. Use 100 where servers create no channels.',
      live: true,
    },
  ),
  appendQueueBytesMax: integerField(
    { unit: 'bytes', min: 64 * 1024, max: 16 * GIB, default: 64 * MIB },
    {
      doc: 'The maximum size of events that are accepted and not yet durable. Publishing beyond it gets `503 overloaded`; NDJSON bodies are read more slowly instead.',
      why: 'Seconds of work for a slow disk. A publisher that would wait longer should receive an error.',
      live: true,
    },
  ),
};
