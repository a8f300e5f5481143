import { poll, type Target } from '../http.ts';
import type { OpenRequest } from '../machine/state.ts';
import { sleep } from '../sleep.ts';
import { createReader, type Tell, type Transport } from './transport.ts';

/** As many events as one answer may bring (PROTOCOL.md section 4). */
const LIMIT = 500;
/** Who answers a long poll with nothing and at once would be asked in a tight loop. */
const EMPTY_ANSWER_MIN_MS = 500;

/**
 * Polls again and again, each time from where the last answer ended (PROTOCOL.md section 5). The first answer is never
 * held: it shows that the transport delivers.
 * @param heldSeconds how long the hub may hold an answer; 0 for at once
 * @param pauseMs how long to wait after an answer that left nothing to fetch
 */
export function openPolling(
  target: Target,
  request: OpenRequest,
  tell: Tell,
  heldSeconds: number,
  pauseMs: number,
): Transport {
  return createReader(tell, async (signal) => {
    let next = request;
    // The first answer of a long poll is followed by one that waits, and so counts.
    let waitSeconds = heldSeconds ? undefined : 0;
    for (; ; waitSeconds = heldSeconds) {
      const askedMs = performance.now();
      const { events, gaps, cursor, more } = await poll(target, next, { limit: LIMIT, waitSeconds, signal });
      signal.throwIfAborted();
      const isEmpty = events.length + gaps.length === 0;
      // A first answer to `now` is empty, and ends where it began; else it began where it was asked to.
      if (next === request)
        tell({
          kind: 'ready',
          cursor: isEmpty ? cursor : '',
          heartbeatMs: Math.max(heldSeconds * 1000, pauseMs),
        });
      for (const gap of gaps) tell({ kind: 'gap', gap });
      tell({ kind: 'events', events, cursor });
      next = { channels: request.channels, after: cursor };
      const restMs = isEmpty && waitSeconds ? askedMs + EMPTY_ANSWER_MIN_MS - performance.now() : 0;
      if (!more) await sleep(Math.max(pauseMs, restMs), signal);
    }
  });
}
