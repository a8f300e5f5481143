import { jsonFraming, type Framing, type ServerMessage } from '@polycast/protocol';
import { textStream, type EventStream } from './text-stream.ts';

const LINE_FEED = 10;

/** An event as one line: `{"id":"<cursor>",…}` and a line feed. An event contains no line break. */
export const ndjsonFraming: Framing = {
  ...jsonFraming,
  name: 'ndjson',
  write(out, offset, epoch, position, body) {
    const end = jsonFraming.write(out, offset, epoch, position, body);
    out[end - 1] = LINE_FEED;
    return end;
  },
  frameEnd: (bytes, offset) => bytes.indexOf(LINE_FEED, offset) + 1,
};

/**
 * A stream of JSON lines (PROTOCOL.md section 6.7). A line with `op` is a control message, as on a
 * WebSocket; any other line is an event.
 */
export const ndjson: EventStream = textStream({
  transport: 'ndjson',
  mediaType: 'application/x-ndjson',
  description: {
    title: 'JSON lines',
    response: 'A stream of JSON lines',
    section: '6.7',
    messages: 'Each message is one line.',
    eventForm: 'a line without `op`',
    gapForm: '`{"op":"gap", …}`',
    nameIn: 'op',
    example: `{"op":"ready","cursor":"0t24qj92dx-00000000009","session":"5f0c2b7e9a31","heartbeatMs":25000}
{"id":"0t24qj92dx-00000000010","channel":"orders.42","time":"2027-01-31T12:00:00.000Z","data":{"total":42}}
`,
  },
  contentType: 'application/x-ndjson',
  framing: ndjsonFraming,
  ready: (ready) => lineOf({ op: 'ready', ...ready }),
  heartbeat: (cursor) => lineOf({ op: 'heartbeat', cursor }),
  keepAlive: undefined,
  gap: (gap) => lineOf({ op: 'gap', ...gap }),
  draining: (reconnectInMs) => lineOf({ op: 'draining', reconnectInMs }),
  expiring: (inMs) => lineOf({ op: 'expiring', inMs }),
  closing: (code) => lineOf({ op: 'closing', code }),
});

function lineOf(message: ServerMessage | { readonly op: 'closing'; readonly code: string }): string {
  return `${JSON.stringify(message)}\n`;
}
