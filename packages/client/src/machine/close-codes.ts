import type { CloseCodeInfo } from '@polycast/protocol';

/**
 * The table of PROTOCOL.md section 7.4, without its texts. A test compares it with the one in
 * `@polycast/protocol`.
 */
export function afterClose(code: number): CloseCodeInfo['clientAction'] {
  if (/100[02379]|440[013]/.test(String(code))) return 'stop';
  return /100[16]|1012|4408/.test(String(code)) ? 'reconnect' : 'back-off';
}
