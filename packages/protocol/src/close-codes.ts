/**
 * WebSocket close codes (PROTOCOL.md section 7.4): the code alone tells a client what to do next.
 * `reconnect`: at once with its cursor (after the hint, if it was given one). `back-off`: later. `stop`: not again
 * without being changed.
 */
export interface CloseKind {
  readonly reason: string;
  readonly then: 'reconnect' | 'back-off' | 'stop';
}

export const CLOSE_CODES: Readonly<Record<CloseCode, CloseKind>> = {
  1000: { reason: 'done', then: 'stop' },
  1001: { reason: 'going away', then: 'reconnect' },
  1002: { reason: 'protocol error', then: 'stop' },
  1003: { reason: 'binary messages are not understood', then: 'stop' },
  1006: { reason: 'connection lost', then: 'reconnect' },
  1007: { reason: 'not valid UTF-8', then: 'stop' },
  1009: { reason: 'message too large', then: 'stop' },
  1011: { reason: 'internal error', then: 'back-off' },
  1012: { reason: 'restart', then: 'reconnect' },
  1013: { reason: 'try again later', then: 'back-off' },
  4400: { reason: 'too many invalid messages', then: 'stop' },
  4401: { reason: 'unauthorized', then: 'stop' },
  4403: { reason: 'forbidden', then: 'stop' },
  4408: { reason: 'read nothing, or asked for nothing, for too long', then: 'reconnect' },
  4429: { reason: 'too many messages', then: 'back-off' },
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

/** What to do after any close code, those of others included: what is not known is met with patience. */
export function afterClose(code: number): CloseKind['then'] {
  return code in CLOSE_CODES ? CLOSE_CODES[code as CloseCode].then : 'back-off';
}
