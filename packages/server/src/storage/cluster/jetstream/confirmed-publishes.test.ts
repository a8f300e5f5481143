import { expect, test } from 'vitest';
import { ConfirmedPublishes } from './confirmed-publishes.ts';

type Callback = (error: Error | null, message: unknown) => void;

test('a refused subscription rejects what waits, and the next message makes another one', async () => {
  const { publishes, callbacks, publish, answer } = opened();
  const waiting = publish();
  callbacks[0]?.(new Error('permissions violation for subscription'), {});
  await expect(waiting).rejects.toThrow('permissions violation for subscription');
  const next = publish();
  callbacks[1]?.(null, answer('2', '{"stream":"s","seq":7}'));
  expect(await next).toEqual({ sequence: 7, isCopy: false });
  publishes.close();
});

test.each(['null', '{', '{"error":null}', '{}', '[]', ''])('the answer %s rejects its message alone', async (text) => {
  const { publishes, callbacks, publish, answer } = opened();
  const [odd, other] = [publish(), publish()];
  callbacks[0]?.(null, answer('1', text));
  callbacks[0]?.(null, answer('2', '{"stream":"s","seq":8,"duplicate":true}'));
  await expect(odd).rejects.toThrow(Error);
  expect(await other).toEqual({ sequence: 8, isCopy: true });
  publishes.close();
});

interface Opened {
  readonly publishes: ConfirmedPublishes;
  /** Of each subscription. */
  readonly callbacks: readonly Callback[];
  publish(): ReturnType<ConfirmedPublishes['publish']>;
  /** The answer to a message, by its number. */
  answer(number: string, text: string): unknown;
}

function opened(): Opened {
  const callbacks: Callback[] = [];
  let inbox = '';
  const connection = {
    subscribe: (subject: string, { callback }: { callback: Callback }) => {
      inbox = subject.slice(0, -1);
      callbacks.push(callback);
      return { unsubscribe: () => undefined };
    },
    publish: () => undefined,
    async *status() {},
  };
  const publishes = new ConfirmedPublishes(connection as never, 60_000);
  return {
    publishes,
    callbacks,
    publish: () => publishes.publish({ subject: 's', data: new Uint8Array(1), headers: {} }),
    answer: (number, text) => ({
      subject: inbox + number,
      data: Buffer.from(text),
      json: () => JSON.parse(text) as unknown,
    }),
  };
}
