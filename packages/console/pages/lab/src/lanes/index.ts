import type { Fault, LaneName } from '../model/records.ts';
import { longPoll } from './long-poll.ts';
import { shortPoll } from './short-poll.ts';
import { serverSentEvents } from './sse.ts';
import type { Transport } from './transport.ts';
import { webhook } from './webhook.ts';
import { webSocket } from './websocket.ts';

/** The source text of the running modules. */
const CODE = import.meta.glob<string>('./{short-poll,long-poll,sse,websocket,webhook}.ts', {
  query: '?raw',
  import: 'default',
  eager: true,
});

/** A lane with its description. A new transport is a new entry in this list. */
export interface Lane {
  readonly name: LaneName;
  readonly title: string;
  readonly scheme: 'http' | 'ws';
  /** A description for a reader who does not know the transport. */
  readonly sentence: string;
  readonly transport: Transport;
  /** The faults that it supports. */
  readonly faults: readonly LaneFault[];
  readonly code: string;
}

export interface LaneFault {
  readonly fault: Fault;
  readonly label: string;
  readonly durationMs: number;
}

const WIRE_FAULTS: readonly LaneFault[] = [
  { fault: 'cut', label: 'Cut', durationMs: 3000 },
  { fault: 'stall', label: 'Stall', durationMs: 4000 },
  { fault: 'slow', label: 'Slow', durationMs: 6000 },
];

/** Long enough to see several attempts. */
const RECEIVER_FAULTS: readonly LaneFault[] = [
  { fault: 'busy', label: 'Slow', durationMs: 8000 },
  { fault: 'failing', label: 'Failing', durationMs: 8000 },
  { fault: 'cut', label: 'Down', durationMs: 8000 },
];

export const LANES: readonly Lane[] = [
  {
    name: 'short-poll',
    title: 'Short polling',
    scheme: 'http',
    sentence: 'Sends a request at fixed intervals, whether or not there are events.',
    transport: shortPoll,
    faults: WIRE_FAULTS,
    code: displayedCode('short-poll'),
  },
  {
    name: 'long-poll',
    title: 'Long polling',
    scheme: 'http',
    sentence: 'Sends one request; the hub responds when there is an event.',
    transport: longPoll,
    faults: WIRE_FAULTS,
    code: displayedCode('long-poll'),
  },
  {
    name: 'sse',
    title: 'Server-Sent Events',
    scheme: 'http',
    sentence: 'One response that never ends: the hub writes each event into it.',
    transport: serverSentEvents,
    faults: WIRE_FAULTS,
    code: displayedCode('sse'),
  },
  {
    name: 'websocket',
    title: 'WebSocket',
    scheme: 'ws',
    sentence: 'One request opens a connection on which both sides can send.',
    transport: webSocket,
    faults: WIRE_FAULTS,
    code: displayedCode('websocket'),
  },
  {
    name: 'webhook',
    title: 'Webhook',
    scheme: 'http',
    sentence: 'For servers: the hub sends signed requests, and retries until one succeeds.',
    transport: webhook,
    faults: RECEIVER_FAULTS,
    code: displayedCode('webhook'),
  },
];

/** Without the import and the types, which do not explain the transport. */
function displayedCode(name: LaneName): string {
  const code = CODE[`./${name}.ts`] ?? '';
  return code
    .slice(code.indexOf('export const '))
    .replace('export const', 'const')
    .replace(': Transport', '')
    .replace('(): void', '()')
    .trimEnd();
}
