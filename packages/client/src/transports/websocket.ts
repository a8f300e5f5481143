import { SUBPROTOCOL, type ClientMessage, type PolycastEvent, type ServerMessage } from '@polycast/protocol';
import { eventsUrlOf, refusedEnding, type RequestContext } from '../http.ts';
import type { Ending, OpenRequest } from '../machine/state.ts';
import { readMessage } from './messages.ts';
import type { EmitSignal, Transport } from './transport.ts';

/**
 * A WebSocket (PROTOCOL.md section 7). A browser cannot set a header here, and addresses end up in
 * logs. So a token goes into the first message, and the channels into the second.
 */
export function openWebSocket(
  { url, token, WebSocket }: RequestContext,
  request: OpenRequest,
  emit: EmitSignal,
): Transport {
  const { channels, after = 'now' } = request;
  const address = eventsUrlOf(url, token === undefined ? request : { channels: [] });
  address.protocol = address.protocol.replace('http', 'ws');
  const socket = new (WebSocket as typeof globalThis.WebSocket)(address, SUBPROTOCOL);
  let heartbeatMs: number;
  let read = token === undefined ? readMessage : (receiveHandshake as typeof readMessage);
  socket.onmessage = receive;
  socket.onclose = ({ code }) => emit({ kind: 'ended', ending: { kind: 'closed', code } });
  return { send, close };

  function receive({ data }: MessageEvent<string>): void {
    let message: PolycastEvent | ServerMessage;
    try {
      message = JSON.parse(data) as typeof message;
    } catch {
      return end({ kind: 'lost', why: 'no hub' });
    }
    read(message, emit);
  }

  /**
   * Handles the messages before the stream: `ready` of a session without channels, then the answers
   * to `auth` and `subscribe`. There are no events yet.
   */
  function receiveHandshake(message: ServerMessage): void {
    if ('ok' in message && !message.ok) return end(refusedEnding(message.error));
    if (message.op === 'ready') {
      ({ heartbeatMs } = message);
      send({ op: 'auth', token: token as string });
    } else if (message.op === 'auth') {
      send({ op: 'subscribe', channels, after });
    } else if (message.op === 'subscribe') {
      read = readMessage;
      emit({ kind: 'ready', cursor: message.cursor as string, heartbeatMs });
    }
  }

  function end(ending: Ending): void {
    close();
    emit({ kind: 'ended', ending });
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
