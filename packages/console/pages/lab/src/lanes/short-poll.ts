import type { Transport } from './transport.ts';

export const shortPoll: Transport = async ({ url, onEvent, onGap, intervalMs, pause, signal }) => {
  let after = 'earliest';
  while (!signal.aborted) {
    try {
      const answer = await fetch(`${url}&after=${after}`, { cache: 'no-cache', signal });
      const { events, gaps, cursor } = await answer.json();
      gaps.forEach(onGap);
      events.forEach(onEvent);
      after = cursor;
    } catch {
      // No answer: the next request has the same cursor.
    }
    await pause(intervalMs());
  }
};
