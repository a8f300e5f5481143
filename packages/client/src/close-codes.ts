import type { CloseKind } from '@polycast/protocol';

const STOP: ReadonlySet<number> = new Set([1000, 1002, 1003, 1007, 1009, 4400, 4401, 4403]);
const RECONNECT: ReadonlySet<number> = new Set([1001, 1006, 1012, 4408]);

/** The table of PROTOCOL.md section 7.4, without the words; a test holds it to that of `@polycast/protocol`. */
export function afterClose(code: number): CloseKind['then'] {
  if (STOP.has(code)) return 'stop';
  return RECONNECT.has(code) ? 'reconnect' : 'back-off';
}
