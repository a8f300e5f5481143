import { poll, type Target } from '../http.ts';
import type { OpenRequest } from '../machine/state.ts';
import { sleep } from '../sleep.ts';
import { createReader, type Tell, type Transport } from './transport.ts';

export interface Pace {
  /** How long the hub may hold an answer, seconds; 0 for at once. */
  readonly waitSeconds: number;
  /** How long to wait after an answer that left nothing to fetch. */
  readonly pauseMs: number;
}

/** As many events as one answer may bring (PROTOCOL.md section 4). */
const LIMIT = 500;
/** Who answers a long poll with nothing and at once would be asked in a tight loop. */
const EMPTY_ANSWER_MIN_MS = 500;

/**
 * Polls again and again, each time from where the last answer ended (PROTOCOL.md section 5). The first answer is never
 * held: it shows that the transport delivers.
 */
export function openPolling(target: Target, request: OpenRequest, tell: Tell, pace: Pace): Transport {
  return createReader(tell, async (signal) => {
    let next = request;
    for (let waitSeconds = 0; ; waitSeconds = pace.waitSeconds) {
      const askedMs = performance.now();
      const { answer, cut } = await poll(target, next, { limit: LIMIT, waitSeconds, signal });
      signal.throwIfAborted();
      const { events, gaps, cursor } = answer;
      const isEmpty = events.length + gaps.length === 0;
      // A first answer to `now` is empty, and ends where it began; else it began where it was asked to.
      if (next === request)
        tell({
          kind: 'ready',
          cursor: isEmpty ? cursor : '',
          heartbeatMs: Math.max(pace.waitSeconds * 1000, pace.pauseMs),
        });
      for (const gap of gaps) tell({ kind: 'gap', gap });
      tell({ kind: 'events', events, cursor });
      next = { channels: request.channels, after: cursor };
      const restMs = isEmpty && waitSeconds > 0 ? askedMs + EMPTY_ANSWER_MIN_MS - performance.now() : 0;
      if (!cut) await sleep(Math.max(pace.pauseMs, restMs), signal);
    }
  });
}
