import { FLAG, TYPE, fieldBlock, frame, get, reset, settings, windowUpdate } from './http2-frames.ts';
import type { Seeded } from '../seeded.ts';

/** A frame that is valid, without effect, or excessive. */
export function http2Noise(seeded: Seeded): Buffer {
  const stream = seeded.pick([0, 1, 3, 5, 7, 9, 11, 13, 15, 17, 2, 101, 0x7fff_ffff]);
  const flags = seeded.below(4) === 0 ? seeded.below(256) : seeded.pick([0, 1, 4, 5]);
  const payload = Buffer.from(Array.from({ length: seeded.pick([0, 4, 5, 6, 8, 200]) }, () => seeded.below(256)));
  const accept = seeded.pick(['text/event-stream', '*/*', 'image/png']);
  switch (seeded.below(8)) {
    case 0:
    case 1:
      return get(stream, `/v1/events?channel=canary&after=earliest&wait=${seeded.pick(['0', '20'])}`, { accept });
    case 2: {
      const fields = { ':method': 'POST', ':scheme': 'https', ':authority': 'localhost', ':path': '/v1/events' };
      const type = { 'content-type': seeded.pick(['application/json', 'application/x-ndjson']) };
      return frame(TYPE.headers, FLAG.endHeaders, stream, fieldBlock({ ...fields, ...type }));
    }
    case 3:
      return frame(TYPE.data, flags, stream, Buffer.from('{"channel":"noise","data":1}\n'));
    case 4:
      return reset(stream, seeded.below(14));
    case 5:
      return windowUpdate(stream, seeded.pick([1, 1000, 65_535]));
    case 6:
      return settings([[seeded.below(9), seeded.pick([0, 1, 100, 65_535, 2 ** 31])]]);
    default:
      return frame(seeded.below(12), flags, stream, payload);
  }
}
