import { expect, test } from 'vitest';
import { NEWEST_PLACE } from '../core/session-journal/session-journal-store.ts';
import { mergeEnded, type HubSessions } from './session-list.ts';

/** The ended sessions of a hub, the newest first, each by the millisecond in which it opened. */
function hubWith(hub: string, openedMs: readonly number[]): HubSessions {
  return {
    hub,
    journal: { isEnabled: true, sinceMs: 0 },
    start: NEWEST_PLACE,
    isLate: false,
    next: null,
    sessions: openedMs.map((ms, index) => ({
      id: `${hub}-${index}`,
      session: { session: `${hub}-${index}`, opened: ms },
      place: { number: openedMs.length - index, openedMs: ms },
    })),
  };
}

test('a page of ended sessions is the same at each hub, also when some opened in the same millisecond', () => {
  const hubs = [hubWith('h2', [900, 500, 500]), hubWith('h1', [500, 400]), hubWith('h3', [700, 500])];
  const expected = ['h2-0', 'h3-0', 'h1-0', 'h2-1', 'h2-2', 'h3-1', 'h1-1'];
  for (const [first, second, third] of [
    [0, 1, 2],
    [1, 2, 0],
    [2, 1, 0],
  ] as const) {
    const asked = [hubs[first], hubs[second], hubs[third]] as HubSessions[];
    for (const limit of [3, 5, 7]) {
      const { sessions } = mergeEnded(asked, limit);
      expect(sessions.map((session) => (session as { session: string }).session)).toEqual(expected.slice(0, limit));
    }
  }
});
