import type { LaneName } from '../model/records.ts';
import longPollCode from './long-poll.ts?raw';
import { longPoll } from './long-poll.ts';
import shortPollCode from './short-poll.ts?raw';
import { shortPoll } from './short-poll.ts';
import sseCode from './sse.ts?raw';
import { serverSentEvents } from './sse.ts';
import type { Transport } from './transport.ts';
import webSocketCode from './websocket.ts?raw';
import { webSocket } from './websocket.ts';

/** A lane as it is shown. A further transport is a further member of this list. */
export interface Lane {
  readonly name: LaneName;
  readonly title: string;
  readonly scheme: 'http' | 'ws';
  /** How it works, for somebody who has never heard of it. */
  readonly sentence: string;
  readonly transport: Transport;
  /** The very text of the module that runs. */
  readonly code: string;
}

export const LANES: readonly Lane[] = [
  {
    name: 'short-poll',
    title: 'Short polling',
    scheme: 'http',
    sentence: 'Asks again and again, on a timer, whether or not there is news.',
    transport: shortPoll,
    code: shown(shortPollCode),
  },
  {
    name: 'long-poll',
    title: 'Long polling',
    scheme: 'http',
    sentence: 'Asks once; the hub holds the question open until there is news.',
    transport: longPoll,
    code: shown(longPollCode),
  },
  {
    name: 'sse',
    title: 'Server-Sent Events',
    scheme: 'http',
    sentence: 'One answer that never ends: the hub writes each event into it.',
    transport: serverSentEvents,
    code: shown(sseCode),
  },
  {
    name: 'websocket',
    title: 'WebSocket',
    scheme: 'ws',
    sentence: 'One request becomes an open line, on which either side may speak.',
    transport: webSocket,
    code: shown(webSocketCode),
  },
];

/** Without the import and the types, which say nothing about the transport. */
function shown(code: string): string {
  return code.slice(code.indexOf('export const ')).replace('export const', 'const').replace(': Transport', '').replace('(): void', '()').trimEnd();
}
