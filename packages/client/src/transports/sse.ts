import { createSseParser, type PolycastEvent, type ServerMessage, type SseFrame } from '@polycast/protocol';
import { eventsUrlOf, EndedError, sendRequest, type RequestContext } from '../http.ts';
import type { OpenRequest } from '../machine/state.ts';
import { readMessage } from './messages.ts';
import { createReadingTransport, type EmitSignal, type Transport } from './transport.ts';

/**
 * Server-Sent Events (PROTOCOL.md section 6), read through `fetch`. Unlike EventSource, `fetch` can
 * send a token in a header and leaves reconnects to the machine. It is the same in Node and in
 * workers.
 */
export function openSse(target: RequestContext, request: OpenRequest, emit: EmitSignal): Transport {
  return createReadingTransport(emit, async (signal) => {
    const response = await sendRequest(target, eventsUrlOf(target.url, request), {
      headers: { Accept: 'text/event-stream' },
      signal,
    });
    if (!response.headers.get('content-type')?.includes('event-stream')) throw new EndedError('no hub');
    const parser = createSseParser();
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) throw new EndedError('ended');
      signal.throwIfAborted();
      emitFrames(parser.feed(value), emit);
    }
  });
}

/** Emits the events of one piece together. */
function emitFrames(frames: readonly SseFrame[], emit: EmitSignal): void {
  let events: PolycastEvent[] = [];
  let cursor: string | undefined;
  for (const frame of frames) {
    if (frame.kind === 'id') {
      cursor = frame.id;
    } else if (frame.kind === 'message' && frame.event === 'message') {
      events.push(JSON.parse(frame.data) as PolycastEvent);
    } else {
      emit({ kind: 'events', events, cursor });
      events = [];
      emitControl(frame, emit);
    }
  }
  // Even a piece with only a comment is a sign of life.
  emit({ kind: 'events', events, cursor });
}

/**
 * Emits a control message. Those of section 6.3 are those of section 7.2, with `op` as the name of
 * the event.
 */
function emitControl(frame: Exclude<SseFrame, { kind: 'id' }>, emit: EmitSignal): void {
  if (frame.kind === 'retry') return emit({ kind: 'hint', reconnectInMs: frame.retryMs });
  const op = frame.event.replace('polycast.', '');
  readMessage({ ...(JSON.parse(frame.data) as object), op } as ServerMessage, emit);
}
