import { integerField } from './field.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

/** The settings of `delivery`: how events reach readers. */
export const delivery = {
  heartbeatMs: integerField(
    { unit: 'milliseconds', min: 1000, max: 3_600_000, default: 25_000 },
    {
      doc: 'A stream on which nothing was sent for this long gets a heartbeat.',
      why: 'Below the 30 s after which the most impatient proxies and mobile networks cut a silent connection.',
    },
  ),
  reconnectMs: integerField(
    { unit: 'milliseconds', min: 100, max: 600_000, default: 2000 },
    {
      doc: 'What SSE streams announce as `retry:`: how long a client waits before it comes back.',
      why: 'Short enough that a person hardly notices, long enough that a restart is over when the first ones come back.',
    },
  ),
  tailBytesMax: integerField(
    { unit: 'bytes', min: 64 * 1024, max: 64 * GIB, default: 16 * MIB },
    {
      doc: 'How much of the newest events is held in memory. Readers within it never touch the disk; those behind it read the log.',
      why: 'At 256 bytes an event it holds some 60,000: every reconnect storm of a busy hub. More would be paid for by every hub, and what is older is read from the disk once for all who want it.',
    },
  ),
  batchBytesMax: integerField(
    { unit: 'bytes', min: 4096, max: 16 * MIB, default: 64 * 1024 },
    {
      doc: 'How much is written to one connection at once; the next batch follows when its socket has taken this one. At least one event always goes.',
      why: 'One write of 64 KiB costs little more than one of 16; more would only wait in memory in front of a slow socket, and a thousand of those may each wait at another place.',
    },
  ),
  stalledTimeoutMs: integerField(
    { unit: 'milliseconds', min: 1000, max: 86_400_000, default: 600_000 },
    {
      doc: 'A connection that takes nothing for this long while something waits for it is closed (WebSocket: 4408). It loses nothing: it comes back with its cursor.',
      why: 'A stalled reader costs a socket and no queue, so patience is cheap: ten minutes outlast a tunnel, a lift and a suspended tab.',
    },
  ),
  pollBytesMax: integerField(
    { unit: 'bytes', min: 4096, max: 64 * MIB, default: MIB },
    {
      doc: "The events of one poll's answer hold at most this many bytes; the next poll gets more at once (PROTOCOL.md section 5.4).",
      why: 'A thousand events of 1 KiB, the largest `limit`, fit; beyond that a page only delays its first event.',
    },
  ),
  pollWaitMaxSeconds: integerField(
    { unit: 'seconds', min: 1, max: 60, default: 60 },
    {
      doc: 'The longest `wait=` of a long poll; a longer one is refused, as PROTOCOL.md section 4 says.',
      why: 'Common proxies give up on a silent answer after 60 s.',
    },
  ),
  pageMaxAgeSeconds: integerField(
    { unit: 'seconds', min: 0, max: 86_400, default: 10 },
    {
      doc: 'How long caches may share a full page of events between two cursors, on channels that anyone may read (PROTOCOL.md section 5.6). `0`: they share none.',
      why: 'A crowd that comes back together is answered by the cache. What retention removes, or a new rule closes, is in caches for as long and no longer.',
    },
  ),
  logReadsConcurrentMax: integerField(
    { unit: 'reads', min: 1, max: 1024, default: 8 },
    {
      doc: 'At most this many reads of the log are at work at once; the others wait in order. Identical ones are done once.',
      why: 'More at once do not make a disk faster, but each holds a page in memory and delays the others.',
    },
  ),
};
