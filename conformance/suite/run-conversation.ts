import WebSocket from 'ws';
import { publish } from '../kit/http.ts';
import { until } from '../kit/wait.ts';
import type { Conversation, Captures, Observer } from './case.ts';
import { fill, matchesText, mismatch } from './placeholders.ts';

const TIMEOUT_MS = 30_000;

/**
 * Sends and compares message by message. A heartbeat that is not expected is left out: on a machine
 * that pauses it may come between any two messages.
 * @throws Error
 */
export async function runConversation(
  { webSocket, turns }: Conversation,
  hub: string,
  captures: Captures,
  observe?: Observer,
): Promise<void> {
  const messages: string[] = [];
  let closedWith: number | undefined;
  const socket = new WebSocket(hub.replace(/^http/, 'ws') + fill(webSocket, captures), 'polycast.v1', {
    rejectUnauthorized: false,
  });
  socket.on('message', (message: Buffer, isBinary) => {
    const text = isBinary ? '(binary)' : message.toString('utf8');
    messages.push(text);
    observe?.({ transport: 'websocket', from: 'hub', text });
  });
  socket.on('close', (code) => (closedWith = code));
  socket.on('error', () => undefined);
  const isOver = (): boolean => closedWith !== undefined;
  try {
    await until('it opens', () => socket.readyState === WebSocket.OPEN || isOver(), TIMEOUT_MS);
    if (socket.protocol !== 'polycast.v1') throw new Error(`the subprotocol is ${JSON.stringify(socket.protocol)}`);
    for (const turn of turns) {
      if ('send' in turn) {
        const text = fill(turn.send, captures);
        observe?.({ transport: 'websocket', from: 'client', text });
        socket.send(text);
      } else if ('publish' in turn) await publish(hub, fill(turn.publish, captures));
      else if ('receive' in turn) {
        const expected = turn.receive;
        const isThere = (): boolean => {
          while (!isHeartbeat(expected) && messages[0] !== undefined && isHeartbeat(messages[0])) messages.shift();
          return messages.length > 0;
        };
        await until(`${expected} comes`, () => isThere() || isOver(), TIMEOUT_MS);
        compare(expected, messages.shift(), captures);
      } else {
        // A close that the case sends is the client's own.
        if (turn.close === 1000) socket.close(1000);
        await until('it closes', isOver, TIMEOUT_MS);
        if (closedWith !== turn.close) throw new Error(`closed with ${closedWith}, not ${turn.close}`);
      }
    }
    const more = messages.filter((message) => !isHeartbeat(message));
    if (more.length > 0) throw new Error(`more came than was expected: ${more.join(' ')}`);
  } finally {
    socket.terminate();
  }
}

function isHeartbeat(message: string): boolean {
  return message.startsWith('{"op":"heartbeat"');
}

/** Events are compared byte for byte, other messages as JSON. */
function compare(expected: string, message: string | undefined, captures: Captures): void {
  if (message === undefined) throw new Error(`closed before ${expected}`);
  const isControl = expected.startsWith('{"op"');
  const problem = isControl
    ? mismatch(JSON.parse(expected), JSON.parse(message), captures)
    : matchesText(expected, message, captures)
      ? undefined
      : '';
  if (problem !== undefined) throw new Error(`the message is ${message.slice(0, 500)}, not ${expected} ${problem}`);
}
