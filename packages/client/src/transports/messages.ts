import type { PolycastEvent, Problem, ServerMessage } from '@polycast/protocol';
import type { TransportSignal, EmitSignal } from './transport.ts';

/** The heartbeat of a hub that does not give one with `ready` (PROTOCOL.md section 6.1). */
const HEARTBEAT_MS = 25_000;

/**
 * Converts a message of the hub (PROTOCOL.md section 7.2) to an input of the machine. Unknown
 * messages are ignored.
 */
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
      // The new token may allow fewer channels. If the hub refused it, the stream goes on until the
      // old one expires.
      return emit({ kind: 'dropped', channels: (message.ok && message.dropped) || [] });
    case 'subscribe': {
      // For the machine's own operations, `ref` is the number of the subscription that attaches.
      const { cursor = '', error: problem } = message as { readonly cursor?: string; readonly error?: Problem };
      return emit({ kind: 'attached', id: message.ref as number, cursor, problem });
    }
    case 'publish':
      return emit({ kind: 'answer', message });
    default:
  }
}
