import type { PolycastEvent, Problem, ServerMessage } from '@polycast/protocol';
import type { TransportSignal, EmitSignal } from './transport.ts';

/** Should a hub not name its heartbeat with `ready` (PROTOCOL.md section 6.1). */
const HEARTBEAT_MS = 25_000;

/** What a message of the hub says (PROTOCOL.md section 7.2), in the words of the machine. Unknown ones say nothing. */
export function readMessage(message: PolycastEvent | ServerMessage, emit: EmitSignal): void {
  if (!('op' in message)) return emit({ kind: 'events', events: [message], cursor: undefined });
  switch (message.op) {
    case 'gap': {
      const { op: kind, ...gap } = message;
      return emit({ kind, gap });
    }
    case 'ready':
    case 'expiring':
    case 'dropped':
      return emit({ heartbeatMs: HEARTBEAT_MS, ...message, kind: message.op } as TransportSignal);
    case 'heartbeat':
      return emit({ kind: 'events', events: [], cursor: message.cursor });
    case 'draining':
      return emit({ ...message, kind: 'hint' });
    case 'auth':
      // The new token may allow less. If it was refused, the stream goes on until the old one expires.
      return emit({ kind: 'dropped', channels: (message.ok && message.dropped) || [] });
    case 'subscribe': {
      // The machine's own operations have for `ref` the number of the subscription that was to be placed.
      const { cursor = '', error: problem } = message as { readonly cursor?: string; readonly error?: Problem };
      return emit({ kind: 'attached', id: message.ref as number, cursor, problem });
    }
    case 'publish':
      return emit({ kind: 'answer', message });
    default:
  }
}
