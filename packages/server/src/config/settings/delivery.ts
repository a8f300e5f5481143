import { integerField } from '../../settings/field.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

/** The settings of `delivery`: how events reach readers. */
export const delivery = {
  heartbeatMs: integerField(
    { unit: 'milliseconds', min: 1000, max: 3_600_000, default: 25_000 },
    {
      doc: 'The hub sends a heartbeat on a stream that was silent for this long.',
      why: 'Less than the 30 s after which the strictest proxies and mobile networks cut a silent connection.',
    },
  ),
  reconnectMs: integerField(
    { unit: 'milliseconds', min: 100, max: 600_000, default: 2000 },
    {
      doc: 'The `retry:` of event streams: how long a client waits before it reconnects.',
      why: 'Short enough that a person hardly notices, and long enough for a restart to be over.',
    },
  ),
  tailBytesMax: integerField(
    { unit: 'bytes', min: 64 * 1024, max: 64 * GIB, default: 16 * MIB },
    {
      doc: 'The memory for the newest events (the tail). Readers within the tail need no disk reads; readers behind it read the log.',
      why: 'About 60,000 events of 256 bytes, enough for the reconnects of a busy hub. Every hub would pay for more, and one disk read serves all readers of older events.',
    },
  ),
  batchBytesMax: integerField(
    { unit: 'bytes', min: 4096, max: 16 * MIB, default: 64 * 1024 },
    {
      doc: 'The size of one batch for a connection. The next batch follows when the socket has accepted this one. A batch has at least one event.',
      why: 'One write of 64 KiB costs little more than one of 16 KiB. More would only wait in memory in front of slow sockets, and a thousand of them may each hold a different batch.',
    },
  ),
  stalledTimeoutMs: integerField(
    { unit: 'milliseconds', min: 1000, max: 86_400_000, default: 600_000 },
    {
      doc: 'The hub closes a connection that reads nothing for this long while data waits for it (WebSocket: 4408). The client loses nothing: it reconnects with its cursor.',
      why: 'A stalled reader costs a socket and no queue, so a long time is cheap. Ten minutes outlast a tunnel, a lift and a suspended tab.',
    },
  ),
  pollBytesMax: integerField(
    { unit: 'bytes', min: 4096, max: 64 * MIB, default: MIB },
    {
      doc: "The limit for the events of one poll's response. The next poll gets more immediately (PROTOCOL.md section 5.4).",
      why: 'A thousand events of 1 KiB fit, and `limit` allows no more. A larger page only delays its first event.',
    },
  ),
  pollWaitMaxSeconds: integerField(
    { unit: 'seconds', min: 1, max: 60, default: 60 },
    {
      doc: 'The longest `wait=` of a long poll. The hub refuses a longer one (PROTOCOL.md section 4).',
      why: 'Common proxies abort a silent response after 60 s.',
    },
  ),
  pageMaxAgeSeconds: integerField(
    { unit: 'seconds', min: 0, max: 86_400, default: 10 },
    {
      doc: 'How long caches may store a full page of events between two cursors, on channels that anyone may read (PROTOCOL.md section 5.6). `0`: not at all.',
      why: 'The cache serves many clients that reconnect together. Events that retention removes, or a new rule closes, stay in caches for this long at most.',
    },
  ),
  logReadsConcurrentMax: integerField(
    { unit: 'reads', min: 1, max: 1024, default: 8 },
    {
      doc: 'The maximum number of concurrent reads of the log. Further reads wait in order. The hub performs identical reads once.',
      why: 'More concurrent reads do not make a disk faster, but each holds a page in memory and delays the others.',
    },
  ),
};
