import type { CloseKind } from '@polycast/protocol';

const STOP: readonly number[] = [1000, 1002, 1003, 1007, 1009, 4400, 4401, 4403];
const RECONNECT: readonly number[] = [1001, 1006, 1012, 4408];

/** The table of PROTOCOL.md section 7.4, without the words; a test holds it to that of `@polycast/protocol`. */
export function afterClose(code: number): CloseKind['then'] {
  if (STOP.includes(code)) return 'stop';
  return RECONNECT.includes(code) ? 'reconnect' : 'back-off';
}
