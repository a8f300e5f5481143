/**
 * WebSocket close codes (PROTOCOL.md section 7.4): the code alone determines the next action of a
 * client.
 * - `reconnect`: immediately with its cursor, or after the hub's hint, if there was one
 * - `back-off`: later
 * - `stop`: not again without a change
 */
export interface CloseCodeInfo {
  readonly reason: string;
  readonly clientAction: 'reconnect' | 'back-off' | 'stop';
}

export const CLOSE_CODES: Readonly<Record<CloseCode, CloseCodeInfo>> = {
  1000: { reason: 'normal closure', clientAction: 'stop' },
  1001: { reason: 'going away', clientAction: 'reconnect' },
  1002: { reason: 'protocol error', clientAction: 'stop' },
  1003: { reason: 'binary messages are not supported', clientAction: 'stop' },
  1006: { reason: 'connection lost', clientAction: 'reconnect' },
  1007: { reason: 'not valid UTF-8', clientAction: 'stop' },
  1009: { reason: 'message too large', clientAction: 'stop' },
  1011: { reason: 'internal error', clientAction: 'back-off' },
  1012: { reason: 'restart', clientAction: 'reconnect' },
  1013: { reason: 'try again later', clientAction: 'back-off' },
  4400: { reason: 'too many invalid messages', clientAction: 'stop' },
  4401: { reason: 'unauthorized', clientAction: 'stop' },
  4403: { reason: 'forbidden', clientAction: 'stop' },
  4408: { reason: 'idle or not reading for too long', clientAction: 'reconnect' },
  4429: { reason: 'too many messages', clientAction: 'back-off' },
};

export type CloseCode =
  | 1000
  | 1001
  | 1002
  | 1003
  | 1006
  | 1007
  | 1009
  | 1011
  | 1012
  | 1013
  | 4400
  | 4401
  | 4403
  | 4408
  | 4429;

/**
 * The action after any close code, even one of another server. After an unknown code the client
 * backs off.
 */
export function clientActionAfterClose(code: number): CloseCodeInfo['clientAction'] {
  return code in CLOSE_CODES ? CLOSE_CODES[code as CloseCode].clientAction : 'back-off';
}
