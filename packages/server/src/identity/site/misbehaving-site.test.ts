import { describe, expect, onTestFinished, test } from 'vitest';
import { ANSWERS, ENDINGS, misbehavingPeer, uncaughtErrors } from '../../testing/misbehaving-peer.ts';
import { SiteClient, type SiteReply } from './site-client.ts';
import { SiteFailure } from './site-failure.ts';

const TIMEOUT_MS = 300;

/**
 * Returns the outcome for every cut of the answer. The URL's path is the length of the cut. A
 * client has one URL, so each length has its own client.
 */
async function outcomesOf(
  port: number,
  answer: string,
  timeoutMs: number,
  whileAsked?: (close: () => Promise<void>) => Promise<void>,
) {
  const clients: SiteClient[] = [];
  onTestFinished(async () => {
    await Promise.all(clients.map((client) => client.close()));
  });
  const asked = Array.from({ length: answer.length + 1 }, async (_, length): Promise<SiteReply | SiteFailure> => {
    const url = `http://127.0.0.1:${port}/${length}`;
    const client = new SiteClient({ url, secret: undefined, timeoutMs, concurrentMax: 1 });
    clients.push(client);
    return client.post('{}', {}).catch((error: unknown) => {
      if (error instanceof SiteFailure) return error;
      throw error;
    });
  });
  await whileAsked?.(async () => {
    await Promise.all(clients.map((client) => client.close()));
  });
  return Promise.all(asked);
}

describe.each(Object.entries(ENDINGS))('after each number of bytes of an answer of the site, %s', (_manner, ending) => {
  test('a lookup has an outcome', async () => {
    const uncaught = uncaughtErrors();
    const outcomes = await Promise.all(
      Object.values(ANSWERS).map(async (answer) =>
        outcomesOf((await misbehavingPeer(answer, ending)).port, answer, TIMEOUT_MS),
      ),
    );
    for (const outcome of outcomes.flat()) expect(outcome).toBeDefined();
    expect(uncaught).toEqual([]);
  });

  test('the hub may stop at that moment', async () => {
    const uncaught = uncaughtErrors();
    await Promise.all(
      Object.values(ANSWERS).map(async (answer) => {
        const peer = await misbehavingPeer(answer, ending);
        await outcomesOf(peer.port, answer, 20_000, async (close) => {
          await expect
            .poll(() => peer.startedCount, { interval: 1, timeout: 10_000 })
            .toBeGreaterThan(answer.length / 2);
          await close();
        });
      }),
    );
    expect(uncaught).toEqual([]);
  });
});
