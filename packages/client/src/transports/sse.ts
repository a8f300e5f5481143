import type { Gap, PolycastEvent } from '@polycast/protocol';
import { addressOf, EndedError, endingOf, exchange, headersOf, type Means, type Target } from '../http.ts';
import type { OpenRequest } from '../machine/state.ts';
import { createSseParser, type SseFrame } from '../sse-parser.ts';
import { HEARTBEAT_MS, type Tell, type Transport } from './transport.ts';

/**
 * Server-Sent Events (PROTOCOL.md section 6), read through `fetch`: unlike EventSource it can send a token in a header,
 * leaves reconnecting to the machine, and is the same in Node and in workers.
 */
export function openSse(means: Means, target: Target, request: OpenRequest, tell: Tell): Transport {
  const controller = new AbortController();
  const { signal } = controller;
  read().catch((error: unknown) => {
    if (!signal.aborted) tell({ kind: 'ended', ending: endingOf(error) });
  });
  return { close: () => controller.abort() };

  async function read(): Promise<never> {
    const headers = headersOf(target, 'text/event-stream');
    const response = await exchange(means, addressOf(target.url, request), { headers, cache: 'no-store', signal });
    if (!response.headers.get('content-type')?.startsWith('text/event-stream') || response.body === null) {
      controller.abort();
      return tell({ kind: 'ended', ending: { kind: 'lost', why: 'not an event stream' } }) as never;
    }
    const parser = createSseParser();
    const reader = response.body.getReader();
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      if (signal.aborted) break;
      tellFrames(parser.feed(piece.value), tell);
    }
    throw new EndedError({ kind: 'lost', why: 'the stream ended' });
  }
}

/** Events that came together are told together. */
function tellFrames(frames: readonly SseFrame[], tell: Tell): void {
  let events: PolycastEvent[] = [];
  let cursor: string | undefined;
  for (const frame of frames) {
    if (frame.kind === 'id') {
      cursor = frame.id;
    } else if (frame.kind === 'message' && frame.event === 'message') {
      events.push(JSON.parse(frame.data) as PolycastEvent);
      cursor = undefined;
    } else {
      if (events.length > 0) tell({ kind: 'events', events, cursor });
      events = [];
      cursor = undefined;
      tellControl(frame, tell);
    }
  }
  // Even a piece of nothing but a comment is a sign of life.
  tell({ kind: 'events', events, cursor });
}

function tellControl(frame: Exclude<SseFrame, { kind: 'id' }>, tell: Tell): void {
  if (frame.kind === 'retry') return tell({ kind: 'hint', reconnectInMs: frame.retryMs });
  const message = JSON.parse(frame.data) as { cursor: string; heartbeatMs?: number; reconnectInMs: number };
  if (frame.event === 'polycast.ready')
    tell({ kind: 'ready', cursor: message.cursor, heartbeatMs: message.heartbeatMs ?? HEARTBEAT_MS });
  if (frame.event === 'polycast.gap') tell({ kind: 'gap', gap: message as unknown as Gap });
  if (frame.event === 'polycast.draining') tell({ kind: 'hint', reconnectInMs: message.reconnectInMs });
}
