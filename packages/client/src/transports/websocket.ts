import { SUBPROTOCOL, type ClientMessage, type PolycastEvent, type ServerMessage } from '@polycast/protocol';
import { addressOf, type Means, type Target } from '../http.ts';
import type { OpenRequest } from '../machine/state.ts';
import { readMessage } from './messages.ts';
import type { Tell, Transport } from './transport.ts';

/** A WebSocket (PROTOCOL.md section 7). The token goes into the query: a browser can set no header here. */
export function openWebSocket(means: Means, target: Target, request: OpenRequest, tell: Tell): Transport {
  const url = addressOf(target.url, request);
  url.protocol = url.protocol.replace('http', 'ws');
  if (target.token !== undefined) url.searchParams.set('token', target.token);
  const WebSocket = means.WebSocket as typeof globalThis.WebSocket;
  const socket = new WebSocket(url, SUBPROTOCOL);
  socket.onmessage = receive;
  socket.onclose = ({ code }) => tell({ kind: 'ended', ending: { kind: 'closed', code } });
  return { send, close };

  function receive({ data }: MessageEvent<string>): void {
    let message: PolycastEvent | ServerMessage;
    try {
      message = JSON.parse(data) as typeof message;
    } catch {
      close();
      return tell({ kind: 'ended', ending: { kind: 'lost', why: 'no hub' } });
    }
    readMessage(message, tell);
  }

  function send(message: ClientMessage): void {
    socket.send(JSON.stringify(message));
  }

  function close(): void {
    socket.onmessage = null;
    socket.onclose = null;
    socket.close(1000);
  }
}
