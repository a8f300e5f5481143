import { crc32 } from 'node:zlib';
import type { Position } from '../../../core/ports.ts';

const TWO_POW_32 = 4_294_967_296;
const PRIME = 0x01000193;

/**
 * The checksum that is stored with an event: CRC-32 of its body, seeded with a mix of the other
 * columns. Each step of the mix is a bijection, so another value in one column always gives another
 * checksum. It is signed, since a signed value takes four bytes in SQLite.
 */
export function checksumOf(
  position: Position,
  channel: number,
  type: string | undefined,
  timeMs: number,
  body: Uint8Array,
  trace: string | undefined,
): number {
  let seed = mix(0x811c9dc5, position);
  seed = mix(seed, channel);
  seed = mix(seed, timeMs);
  if (type !== undefined) seed = mixText(seed, type);
  // The length separates the two texts.
  // Events without a trace have the checksum that they always had.
  if (trace !== undefined) seed = mixText(mix(seed, trace.length), trace);
  return crc32(body, seed >>> 0) | 0;
}

/**
 * The checksum of a channel's row. The name in the row decides which consumers receive its events.
 */
export function channelChecksumOf(id: number, name: string): number {
  return crc32(`${id} ${name}`) | 0;
}

function mixText(seed: number, text: string): number {
  let mixed = seed;
  for (let at = 0; at < text.length; at++) mixed = Math.imul(mixed ^ text.charCodeAt(at), PRIME);
  return mixed;
}

function mix(seed: number, value: number): number {
  const low = Math.imul(seed ^ (value | 0), PRIME);
  return Math.imul(low ^ Math.floor(value / TWO_POW_32), PRIME);
}
