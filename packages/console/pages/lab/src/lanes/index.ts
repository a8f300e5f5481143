import type { Fault, LaneName } from '../model/records.ts';
import { longPoll } from './long-poll.ts';
import { shortPoll } from './short-poll.ts';
import { serverSentEvents } from './sse.ts';
import type { Transport } from './transport.ts';
import { webhook } from './webhook.ts';
import { webSocket } from './websocket.ts';

/** The very text of the modules that run. */
const CODE = import.meta.glob<string>('./{short-poll,long-poll,sse,websocket,webhook}.ts', {
  query: '?raw',
  import: 'default',
  eager: true,
});

/** A lane as it is shown. A further transport is a further member of this list. */
export interface Lane {
  readonly name: LaneName;
  readonly title: string;
  readonly scheme: 'http' | 'ws';
  /** How it works, for somebody who has never heard of it. */
  readonly sentence: string;
  readonly transport: Transport;
  /** How it may be disturbed. */
  readonly troubles: readonly LaneTrouble[];
  readonly code: string;
}

export interface LaneTrouble {
  readonly fault: Fault;
  readonly word: string;
  readonly durationMs: number;
}

const WIRE_TROUBLES: readonly LaneTrouble[] = [
  { fault: 'cut', word: 'Cut', durationMs: 3000 },
  { fault: 'stall', word: 'Stall', durationMs: 4000 },
  { fault: 'slow', word: 'Slow', durationMs: 6000 },
];

/** Long enough to see several attempts. */
const RECEIVER_TROUBLES: readonly LaneTrouble[] = [
  { fault: 'busy', word: 'Slow', durationMs: 8000 },
  { fault: 'failing', word: 'Failing', durationMs: 8000 },
  { fault: 'cut', word: 'Down', durationMs: 8000 },
];

export const LANES: readonly Lane[] = [
  {
    name: 'short-poll',
    title: 'Short polling',
    scheme: 'http',
    sentence: 'Asks again and again, on a timer, whether or not there is news.',
    transport: shortPoll,
    troubles: WIRE_TROUBLES,
    code: shown('short-poll'),
  },
  {
    name: 'long-poll',
    title: 'Long polling',
    scheme: 'http',
    sentence: 'Asks once; the hub holds the question open until there is news.',
    transport: longPoll,
    troubles: WIRE_TROUBLES,
    code: shown('long-poll'),
  },
  {
    name: 'sse',
    title: 'Server-Sent Events',
    scheme: 'http',
    sentence: 'One answer that never ends: the hub writes each event into it.',
    transport: serverSentEvents,
    troubles: WIRE_TROUBLES,
    code: shown('sse'),
  },
  {
    name: 'websocket',
    title: 'WebSocket',
    scheme: 'ws',
    sentence: 'One request becomes an open line, on which either side may speak.',
    transport: webSocket,
    troubles: WIRE_TROUBLES,
    code: shown('websocket'),
  },
  {
    name: 'webhook',
    title: 'Webhook',
    scheme: 'http',
    sentence: 'For servers: the hub calls, signs, and tries again until it is taken.',
    transport: webhook,
    troubles: RECEIVER_TROUBLES,
    code: shown('webhook'),
  },
];

/** Without the import and the types, which say nothing about the transport. */
function shown(name: LaneName): string {
  const code = CODE[`./${name}.ts`] ?? '';
  return code
    .slice(code.indexOf('export const '))
    .replace('export const', 'const')
    .replace(': Transport', '')
    .replace('(): void', '()')
    .trimEnd();
}
