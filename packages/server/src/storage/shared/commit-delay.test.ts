import { describe, expect, test } from 'vitest';
import { CommitDelay } from './commit-delay.ts';

const COMMIT_MS = 0.2;

type Policy = Pick<CommitDelay, 'delayMs' | 'onCommit'>;

const NO_DELAY: Policy = { delayMs: () => 0, onCommit: () => {} };

interface Seen {
  readonly appendsPerCommit: number;
  readonly endMs: number;
  readonly waitMsMean: number;
}

/**
 * Simulates the time of a queue that commits as append-queue.ts does.
 * @param arrivals the times of appends, in order. `answered` may add later ones, none before its
 * argument
 */
function simulate(arrivals: number[], answered: (atMs: number) => void, policy: Policy): Seen {
  let [nowMs, commits, next, waitMs] = [0, 0, 0, 0];
  while (next < arrivals.length) {
    nowMs = Math.max(nowMs, arrivals[next] as number);
    nowMs += policy.delayMs(nowMs);
    const first = next;
    while (next < arrivals.length && (arrivals[next] as number) <= nowMs) next++;
    policy.onCommit(nowMs, next - first);
    nowMs += COMMIT_MS;
    commits++;
    for (let index = first; index < next; index++) {
      waitMs += nowMs - (arrivals[index] as number);
      answered(nowMs);
    }
  }
  return { appendsPerCommit: next / commits, endMs: nowMs, waitMsMean: waitMs / next };
}

/** Events that arrive without waiting for the answers to earlier ones. */
function openLoop(total: number, intervalMs: () => number): Seen {
  let atMs = 0;
  return simulate(
    Array.from({ length: total }, () => (atMs += intervalMs())),
    () => {},
    new CommitDelay(),
  );
}

/** Publishers that each wait for their answer, and then for their own think time. */
function closedLoop(clients: number, total: number, thinkMs: number, policy: Policy = new CommitDelay()): Seen {
  const arrivals = Array.from({ length: clients }, (_, index) => (thinkMs * (index + 1)) / clients);
  const answered = (atMs: number): void => {
    if (arrivals.length < total) arrivals.push(atMs + thinkMs);
  };
  return simulate(arrivals, answered, policy);
}

describe('the commit delay', () => {
  test('a steady stream of 1,000 events a second is committed several at a time, within milliseconds', () => {
    const { appendsPerCommit, waitMsMean } = openLoop(5_000, () => 1);
    expect(appendsPerCommit).toBeGreaterThan(3);
    expect(waitMsMean).toBeLessThan(4);
  });

  test('a stream of random events is committed several at a time as well', () => {
    let seed = 1;
    const { appendsPerCommit } = openLoop(
      5_000,
      () => -Math.log(((seed = (seed * 48_271) % 2_147_483_647) + 1) / 2_147_483_648),
    );
    expect(appendsPerCommit).toBeGreaterThan(2);
  });

  test('a stream of 5,000 events a second as well', () => {
    const { appendsPerCommit, waitMsMean } = openLoop(20_000, () => 0.2);
    expect(appendsPerCommit).toBeGreaterThan(3);
    expect(waitMsMean).toBeLessThan(2);
  });

  test.each([20, 100, 10])('an idle hub with an event every %d ms never delays one', (intervalMs) => {
    const { appendsPerCommit, waitMsMean } = openLoop(500, () => intervalMs);
    expect(appendsPerCommit).toBe(1);
    expect(waitMsMean).toBeCloseTo(COMMIT_MS);
  });

  test.each([
    { clients: 1, thinkMs: 0.1 },
    { clients: 1, thinkMs: 1 },
    { clients: 2, thinkMs: 0.1 },
    { clients: 4, thinkMs: 0.1 },
    { clients: 4, thinkMs: 1 },
    { clients: 5, thinkMs: 2 },
    { clients: 64, thinkMs: 0.1 },
  ])('$clients publishers that wait for each answer lose less than a tenth of their rate', ({ clients, thinkMs }) => {
    const total = 20_000;
    const { endMs } = closedLoop(clients, total, thinkMs);
    const { endMs: withoutMs } = closedLoop(clients, total, thinkMs, NO_DELAY);
    expect(endMs).toBeLessThan(withoutMs * 1.1);
  });

  test.each([
    { commits: [1, 1], waiting: 1, before: 0, isFilling: false, what: 'a lone append' },
    { commits: [30, 34], waiting: 3, before: 0, isFilling: true, what: 'the first few of many' },
    { commits: [30, 34], waiting: 31, before: 3, isFilling: true, what: 'less than half of many' },
    { commits: [30, 34], waiting: 32, before: 31, isFilling: false, what: 'half of many' },
    { commits: [30, 34], waiting: 3, before: 3, isFilling: false, what: 'no further appends' },
    { commits: [900, 30, 34], waiting: 40, before: 3, isFilling: false, what: 'as many as of late' },
  ])('$what: waits for another turn of the event loop: $isFilling', ({ commits, waiting, before, isFilling }) => {
    const commitDelay = new CommitDelay();
    for (const [index, appends] of commits.entries()) commitDelay.onCommit(index, appends);
    expect(commitDelay.isWorthAnotherTurn(waiting, before)).toBe(isFilling);
  });

  test('it adapts: a stream that follows on a lone publisher is delayed', () => {
    const commitDelay = new CommitDelay();
    for (let nowMs = 0; nowMs < 1_000; nowMs += 0.3) {
      commitDelay.delayMs(nowMs);
      commitDelay.onCommit(nowMs, 1);
    }
    let commits = 0;
    for (let nowMs = 10_000; nowMs < 15_000; nowMs++) {
      const delayMs = commitDelay.delayMs(nowMs);
      nowMs += delayMs;
      commitDelay.onCommit(nowMs, 1 + delayMs);
      commits++;
    }
    expect(commits).toBeLessThan(2_500);
  });
});
