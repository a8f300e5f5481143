import { endingOf, poll, type Means, type Polled, type Target } from '../http.ts';
import type { OpenRequest } from '../machine/state.ts';
import type { Tell, Transport } from './transport.ts';

export interface Pace {
  /** How long the hub may hold an answer, seconds; 0 for at once. */
  readonly waitSeconds: number;
  /** How long to wait after an answer that left nothing to fetch. */
  readonly pauseMs: number;
}

/** As many events as one answer may bring (PROTOCOL.md section 4). */
const LIMIT = 500;
const EMPTY_ANSWER_MIN_MS = 500;

/**
 * Polls again and again, each time from where the last answer ended (PROTOCOL.md section 5). The first answer is never
 * held: it shows that the transport delivers.
 */
export function openPolling(means: Means, target: Target, request: OpenRequest, tell: Tell, pace: Pace): Transport {
  const controller = new AbortController();
  const { signal } = controller;
  let pause: Pause | undefined;
  read().catch((error: unknown) => {
    if (!signal.aborted) tell({ kind: 'ended', ending: endingOf(error) });
  });
  return { close };

  async function read(): Promise<void> {
    let next = request;
    let isFirst = true;
    let etag: string | undefined;
    while (!signal.aborted) {
      const waitSeconds = isFirst ? 0 : pace.waitSeconds;
      const askedMs = performance.now();
      const polled = await poll(means, target, next, { limit: LIMIT, waitSeconds, signal, etag: usable(etag) });
      if (signal.aborted) return;
      const cursor = polled.answer?.cursor ?? next.after;
      if (isFirst)
        tell({ kind: 'ready', cursor: begin(polled), heartbeatMs: Math.max(pace.waitSeconds * 1000, pace.pauseMs) });
      for (const gap of polled.answer?.gaps ?? []) tell({ kind: 'gap', gap });
      tell({ kind: 'events', events: polled.answer?.events ?? [], cursor });
      isFirst = false;
      etag = cursor === next.after ? polled.etag : undefined;
      next = { channels: request.channels, after: cursor, history: undefined };
      const isEmpty = !polled.answer?.events.length;
      // Who answers a long poll with nothing and at once would be asked in a tight loop.
      const restMs = isEmpty ? EMPTY_ANSWER_MIN_MS - (performance.now() - askedMs) : 0;
      const pauseMs = polled.cut ? 0 : Math.max(pace.pauseMs, waitSeconds > 0 ? restMs : 0);
      if (pauseMs > 0) await (pause = createPause(pauseMs)).over;
    }
  }

  function close(): void {
    controller.abort();
    pause?.end();
  }

  /** To another origin the header would cost a second request each time, to ask for leave. */
  function usable(etag: string | undefined): string | undefined {
    return globalThis.location === undefined || globalThis.location.origin === target.url.origin ? etag : undefined;
  }
}

/** Where the answer began, as far as it can be known: at its cursor, when it brought nothing. */
function begin({ answer }: Polled): string | undefined {
  return answer?.events.length === 0 && answer.gaps.length === 0 ? answer.cursor : undefined;
}

interface Pause {
  readonly over: Promise<void>;
  end(): void;
}

function createPause(durationMs: number): Pause {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, durationMs);
  return {
    over: promise,
    end: () => {
      clearTimeout(timer);
      resolve();
    },
  };
}
