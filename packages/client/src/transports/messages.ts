import type { PolycastEvent, Problem, ServerMessage } from '@polycast/protocol';
import type { Tell } from './transport.ts';

/** Should a hub not name its heartbeat with `ready` (PROTOCOL.md section 6.1). */
const HEARTBEAT_MS = 25_000;

/** What a message of the hub says (PROTOCOL.md section 7.2), in the words of the machine. Unknown ones say nothing. */
export function readMessage(message: PolycastEvent | ServerMessage, tell: Tell): void {
  if (!('op' in message)) return tell({ kind: 'events', events: [message], cursor: undefined });
  switch (message.op) {
    case 'ready':
      return tell({ kind: 'ready', cursor: message.cursor, heartbeatMs: message.heartbeatMs || HEARTBEAT_MS });
    case 'gap':
      return tell({ kind: 'gap', gap: { from: message.from, to: message.to, reason: message.reason } });
    case 'heartbeat':
      return tell({ kind: 'events', events: [], cursor: message.cursor });
    case 'draining':
      return tell({ kind: 'hint', reconnectInMs: message.reconnectInMs });
    case 'expiring':
      return tell({ kind: 'expiring' });
    case 'dropped':
      return tell({ kind: 'dropped', channels: message.channels });
    case 'auth':
      // The new token may allow less. If it was refused, the stream goes on until the old one expires.
      return tell({ kind: 'dropped', channels: (message.ok && message.dropped) || [] });
    case 'subscribe': {
      // The machine's own operations have for `ref` the number of the subscription that was to be placed.
      const { cursor = '', error: problem } = message as { readonly cursor?: string; readonly error?: Problem };
      return tell({ kind: 'placed', id: message.ref as number, cursor, problem });
    }
    case 'publish':
      return tell({ kind: 'answer', message });
    default:
  }
}
