import { poll, type RequestContext } from '../http.ts';
import type { OpenRequest } from '../machine/state.ts';
import { sleep } from '../sleep.ts';
import { createReadingTransport, type EmitSignal, type Transport } from './transport.ts';

/** The most events in one answer (PROTOCOL.md section 4). */
const LIMIT = 500;
/**
 * The least time between long polls with an empty answer. It prevents a tight loop with a server
 * that answers immediately.
 */
const EMPTY_ANSWER_MIN_MS = 500;

/**
 * Polls in a loop, each time from the cursor of the last answer (PROTOCOL.md section 5). The hub
 * does not hold the first answer, which shows that the transport delivers.
 * @param longPollSeconds the time for which the hub may hold an answer; 0 for an immediate answer
 * @param pauseMs the wait after an answer that reached the head of the log
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
    // The first poll of a long poll does not count as presence; the next one waits, and counts. A
    // short poll always counts.
    let waitSeconds = longPollSeconds ? undefined : 0;
    for (; ; waitSeconds = longPollSeconds) {
      const requestedMs = performance.now();
      const { events, gaps, cursor, more } = await poll(target, next, { eventsMax: LIMIT, waitSeconds, signal });
      signal.throwIfAborted();
      const isEmpty = events.length + gaps.length === 0;
      // The first answer to `now` is empty, and its cursor is the start. Otherwise the request
      // names the start.
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
