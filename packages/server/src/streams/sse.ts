import { sseFraming } from '@polycast/protocol';
import { textStream, type EventStream } from './text-stream.ts';

/** Server-Sent Events (PROTOCOL.md section 6). */
export const serverSentEvents: EventStream = textStream({
  transport: 'sse',
  mediaType: 'text/event-stream',
  description: {
    title: 'Server-Sent Events',
    response: 'An event stream',
    section: '6',
    messages: 'The payload is the `data:` of a message. An event has no `event:`; its cursor is the `id:`.',
    eventForm: '`id:` and `data:`, without `event:`',
    gapForm: '`event: polycast.gap`, the members in `data:`',
    nameIn: 'event',
    example: `id: 0t24qj92dx-00000000010
data: {"id":"0t24qj92dx-00000000010","channel":"orders.42","time":"2027-01-31T12:00:00.000Z","data":{"total":42}}

`,
  },
  // Without the parameter some clients decode text as ISO 8859-1 (Python requests).
  contentType: 'text/event-stream; charset=utf-8',
  framing: sseFraming,
  // Neither a cursor nor the id of a session has characters that JSON escapes.
  ready: ({ cursor, session, heartbeatMs }, reconnectMs) =>
    `retry: ${reconnectMs}\nevent: polycast.ready\nid: ${cursor}\n` +
    `data: {"cursor":"${cursor}","session":"${session}","heartbeatMs":${heartbeatMs}}\n\n`,
  heartbeat: (cursor) => `event: polycast.heartbeat\nid: ${cursor}\ndata: {"cursor":"${cursor}"}\n\n`,
  // No empty line follows: many clients treat it as the end of a message, even without data.
  keepAlive: ':\n',
  gap: (gap, cursor) => `event: polycast.gap\nid: ${cursor}\ndata: ${JSON.stringify(gap)}\n\n`,
  draining: (reconnectInMs) =>
    `event: polycast.draining\nretry: ${reconnectInMs}\ndata: {"reconnectInMs":${reconnectInMs}}\n\n`,
  expiring: (inMs) => `event: polycast.expiring\ndata: {"inMs":${inMs}}\n\n`,
  closing: (code) => `event: polycast.closing\ndata: {"code":"${code}"}\n\n`,
});
