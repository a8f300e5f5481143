import type { CloseCodeInfo } from '@polycast/protocol';

const STOP: RegExp = /100[02379]|440[013]/;
const RECONNECT: RegExp = /100[16]|1012|4408/;

/**
 * The table of PROTOCOL.md section 7.4, without its texts. A test compares it with the one in
 * `@polycast/protocol`.
 */
export function afterClose(code: number): CloseCodeInfo['clientAction'] {
  if (STOP.test(String(code))) return 'stop';
  return RECONNECT.test(String(code)) ? 'reconnect' : 'back-off';
}
