import type { Transport } from './transport.ts';

export const longPoll: Transport = async ({ url, onEvent, onGap, waitSeconds, pause, signal }) => {
  let after = 'earliest';
  while (!signal.aborted) {
    try {
      const answer = await fetch(`${url}&after=${after}&wait=${waitSeconds()}`, { cache: 'no-store', signal });
      const { events, gaps, cursor } = await answer.json();
      gaps.forEach(onGap);
      events.forEach(onEvent);
      after = cursor;
    } catch {
      // No answer: request again soon, with the same cursor.
      await pause(500);
    }
  }
};
