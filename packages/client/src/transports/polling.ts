import { poll, type RequestContext } from '../http.ts';
import type { OpenRequest } from '../machine/state.ts';
import { sleep } from '../sleep.ts';
import { createReadingTransport, type EmitSignal, type Transport } from './transport.ts';

/** As many events as one answer may bring (PROTOCOL.md section 4). */
const LIMIT = 500;
/** Who answers a long poll with nothing and at once would be asked in a tight loop. */
const EMPTY_ANSWER_MIN_MS = 500;

/**
 * Polls again and again, each time from where the last answer ended (PROTOCOL.md section 5). The first answer is never
 * held: it shows that the transport delivers.
 * @param longPollSeconds how long the hub may hold an answer; 0 for at once
 * @param pauseMs how long to wait after an answer that left nothing to fetch
 */
export function openPolling(
  target: RequestContext,
  request: OpenRequest,
  emit: EmitSignal,
  longPollSeconds: number,
  pauseMs: number,
): Transport {
  return createReadingTransport(emit, async (signal) => {
    let next = request;
    // The first answer of a long poll is followed by one that waits, and so counts.
    let waitSeconds = longPollSeconds ? undefined : 0;
    for (; ; waitSeconds = longPollSeconds) {
      const requestedMs = performance.now();
      const { events, gaps, cursor, more } = await poll(target, next, { limit: LIMIT, waitSeconds, signal });
      signal.throwIfAborted();
      const isEmpty = events.length + gaps.length === 0;
      // A first answer to `now` is empty, and ends where it began; else it began where it was asked to.
      if (next === request)
        emit({
          kind: 'ready',
          cursor: isEmpty ? cursor : '',
          heartbeatMs: Math.max(longPollSeconds * 1000, pauseMs),
        });
      for (const gap of gaps) emit({ kind: 'gap', gap });
      emit({ kind: 'events', events, cursor });
      next = { channels: request.channels, after: cursor };
      const minimumPauseMs = isEmpty && waitSeconds ? requestedMs + EMPTY_ANSWER_MIN_MS - performance.now() : 0;
      if (!more) await sleep(Math.max(pauseMs, minimumPauseMs), signal);
    }
  });
}
