import { expect, onTestFinished, test } from 'vitest';
import { MemoryFleetServer } from './memory-fleet.ts';
import { otherHubs } from './other-hubs.ts';

/** What a question brings, in the order of the questions of the test. */
type Kind = 'throws' | 'rejects' | 'no JSON' | 'later nothing' | 'value' | 'later';

test('a question that fails at a hub has no answer there, is logged, and the next one is answered', async () => {
  const server = new MemoryFleetServer();
  const [asking, answering] = [server.connect('a'), server.connect('b')];
  onTestFinished(async () => void (await Promise.all([asking.close(), answering.close()])));
  for (const fleet of [asking, answering]) fleet.report({ host: 'm', version: '1', sequence: 0, hash: 0 });
  const errors: unknown[] = [];
  const others = otherHubs(answering, { error: (fields) => void errors.push(fields) });
  others.onAsked((question) => {
    const { kind } = question as { readonly kind: Kind };
    const cyclic: { self?: object } = {};
    cyclic.self = cyclic;
    switch (kind) {
      case 'throws':
        throw new Error('the store is closed');
      case 'rejects':
        return Promise.reject(new Error('the journal is damaged'));
      case 'no JSON':
        return cyclic;
      case 'later nothing':
        return Promise.resolve(undefined);
      case 'later':
        return Promise.resolve({ kind });
      default:
        return undefined;
    }
  });
  others.onAsked(() => ({ kind: 'of the second listener' }));

  const ask = async (question: string, timeoutMs: number): Promise<readonly unknown[]> => {
    const { answers, silentHubs } = await asking.ask(question, timeoutMs);
    return [...answers.map((answer): unknown => JSON.parse(answer)), silentHubs];
  };
  const askKind = (kind: Kind, timeoutMs: number): Promise<readonly unknown[]> =>
    ask(JSON.stringify({ kind }), timeoutMs);
  expect(await ask('{', 50)).toEqual([1]);
  for (const kind of ['throws', 'rejects', 'no JSON'] as const) expect(await askKind(kind, 50)).toEqual([1]);
  expect(errors).toHaveLength(4);
  expect(await askKind('later nothing', 50)).toEqual([1]);
  expect(await askKind('later', 60_000)).toEqual([{ kind: 'later' }, 0]);
  expect(await askKind('value', 60_000)).toEqual([{ kind: 'of the second listener' }, 0]);
  expect(errors).toHaveLength(4);
});
