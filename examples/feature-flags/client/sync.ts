import { connect } from '@polycast/client';
import type { Flag, Flags } from './flags.ts';

/** Three ways to keep flags up to date. Each returns a function that ends it. */
const RETRY_MS = 1000;

/** A stream: one connection, and every change at once. The client reconnects by itself. */
export function syncByStream(hub: string, flags: Flags): () => void {
  const connection = connect(hub);
  connection.subscribe<Flag>('flags.*', ({ data }) => flags.set(data), { after: 'earliest' });
  return () => connection.close();
}

/** A blocking query: the hub answers when the flag is another than the one that the client has. */
export function syncByBlockingQuery(hub: string, flags: Flags, name: string): () => void {
  let etag = '';
  return repeat(async (signal) => {
    const headers = { 'If-None-Match': etag };
    const answer = await fetch(`${hub}/v1/channels/flags.${name}?wait=25`, { headers, signal });
    if (!answer.ok) return answer.status === 304 || answer.status === 404 ? 0 : RETRY_MS;
    flags.set((await answer.json()) as Flag);
    etag = answer.headers.get('ETag') ?? '';
    return 0;
  });
}

/**
 * A conditional poll: a request in each interval, which is answered 304 when nothing has changed.
 */
export function syncByPoll(hub: string, flags: Flags, intervalMs: number): () => void {
  let etag = '';
  return repeat(async (signal) => {
    const headers = { 'If-None-Match': etag };
    const answer = await fetch(`${hub}/v1/events?channel=flags.*&after=earliest&limit=1000`, { headers, signal });
    if (!answer.ok) return intervalMs;
    for (const { data } of ((await answer.json()) as { events: { data: Flag }[] }).events) flags.set(data);
    etag = answer.headers.get('ETag') ?? '';
    return intervalMs;
  });
}

/** @param step does one request, and returns the time to the next one in milliseconds */
function repeat(step: (signal: AbortSignal) => Promise<number>): () => void {
  const abort = new AbortController();
  void (async () => {
    while (!abort.signal.aborted) {
      const pauseMs = await step(abort.signal).catch(() => RETRY_MS);
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  })();
  return () => abort.abort();
}
