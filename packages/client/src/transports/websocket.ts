import { SUBPROTOCOL, type ClientMessage, type PolycastEvent, type ServerMessage } from '@polycast/protocol';
import { addressOf, type Means, type Target } from '../http.ts';
import type { OpenRequest } from '../machine/state.ts';
import { HEARTBEAT_MS, type Answer, type Tell, type Transport } from './transport.ts';

/** A WebSocket (PROTOCOL.md section 7). The token goes into the query: a browser can set no header here. */
export function openWebSocket(means: Means, target: Target, request: OpenRequest, tell: Tell): Transport {
  const url = addressOf(target.url, request);
  url.protocol = url.protocol.replace('http', 'ws');
  if (target.token !== undefined) url.searchParams.set('token', target.token);
  const WebSocket = means.WebSocket as typeof globalThis.WebSocket;
  const socket = new WebSocket(url, SUBPROTOCOL);
  socket.addEventListener('message', receive);
  socket.addEventListener('close', ended);
  return { send, close };

  function receive({ data }: MessageEvent<unknown>): void {
    try {
      readMessage(JSON.parse(data as string) as PolycastEvent | ServerMessage, tell);
    } catch {
      close();
      tell({ kind: 'ended', ending: { kind: 'lost', why: 'not the message of a hub' } });
    }
  }

  function ended({ code }: CloseEvent): void {
    tell({ kind: 'ended', ending: { kind: 'closed', code } });
  }

  function send(message: ClientMessage): void {
    socket.send(JSON.stringify(message));
  }

  function close(): void {
    socket.removeEventListener('message', receive);
    socket.removeEventListener('close', ended);
    socket.close(1000);
  }
}

/** What a message says, in the words of the machine. */
export function readMessage(message: PolycastEvent | ServerMessage, tell: Tell): void {
  if (!('op' in message)) return tell({ kind: 'events', events: [message], cursor: undefined });
  switch (message.op) {
    case 'ready':
      return tell({ kind: 'ready', cursor: message.cursor, heartbeatMs: message.heartbeatMs ?? HEARTBEAT_MS });
    case 'gap':
      return tell({ kind: 'gap', gap: { from: message.from, to: message.to, reason: message.reason } });
    case 'heartbeat':
      return tell({ kind: 'events', events: [], cursor: message.cursor });
    case 'draining':
      return tell({ kind: 'hint', reconnectInMs: message.reconnectInMs });
    case 'subscribe':
      return readPlaced(message, tell);
    case 'error':
      // It answers what could not be read as an operation, and this client sends none such.
      return;
    default:
      return tell({ kind: 'answer', message });
  }
}

/** The machine's own operations have numbers for `ref`: the subscription that was to be placed. */
function readPlaced(message: Answer, tell: Tell): void {
  const id = Number(message.ref);
  if (message.ok) tell({ kind: 'placed', id, cursor: message.cursor ?? '' });
  else tell({ kind: 'not-placed', id, problem: message.error });
}
