import { expect, test } from 'vitest';
import { renewFolderEpoch } from '../../../storage/stopped-hub.ts';
import { openCaseWorld, readUntilBehind } from '../../../testing/explain-cases/explain-case.ts';
import { EXPLAIN_CASES } from '../../../testing/explain-cases/explain-cases.ts';
import { openExplainWorld, type Explained, type ExplainWorld, type Reader } from '../../../testing/explain-world.ts';
import { temporaryFolder } from '../../../testing/temporary-folder.ts';
import { runInside } from '../../testing.ts';

test.each(EXPLAIN_CASES)('$name', async ({ arrange, outcome, reason, sentence }) => {
  const { world, endpoints } = await openCaseWorld();
  const { event, reader } = await arrange(world, endpoints);
  const answer = await explainBothWays(world, event, reader);
  expect({ outcome: answer.outcome, reason: answer.reason, sentence: answer.sentence }).toEqual({
    outcome,
    reason,
    sentence: expect.stringMatching(sentence),
  });
  for (const { link } of answer.steps)
    if (link !== null) expect([link, (await world.hub.administer('GET', link)).status]).toEqual([link, 200]);
});

test('an event of an earlier log', async () => {
  const data = temporaryFolder();
  const first = await openExplainWorld({ data });
  const event = await first.publish('chat.1', 1);
  const key = first.hub.firstKey;
  await first.hub.close();
  renewFolderEpoch(data);
  const second = await openExplainWorld({ data });
  const url = `${second.hub.url}/v1/explain?event=${event}&user=ann`;
  const answer = await fetch(url, { headers: { Authorization: `Bearer ${key}` } });
  expect(await answer.json()).toMatchObject({ outcome: 'missed', reason: 'other_epoch' });
});

test('a session that takes no bytes is behind', async () => {
  // An hour passes in more than a minute here: the session does not end during the test.
  const { world } = await openCaseWorld({ delivery: { stalledTimeoutMs: 3_600_000 } });
  const event = await readUntilBehind(world, 'nora', 'chat.slow');
  const answer = await explainBothWays(world, event, { user: 'nora' });
  expect(answer).toMatchObject({ outcome: 'pending', reason: 'session_behind' });
  expect(answer.sentence).toMatch(/positions behind and has not reached the event/);
});

/** Asks the API and the command line, which must agree. */
async function explainBothWays({ hub, api }: ExplainWorld, event: string, reader: Reader): Promise<Explained> {
  const answer = await api(event, reader);
  const options = Object.entries(reader).flatMap(([name, value]) => [`--${name}`, value]);
  const command = ['why', event, ...options, '--url', hub.url, '--key', hub.firstKey as string];
  const printed = await runInside([...command, '--json']);
  const { outcome, reason } = JSON.parse(printed.out) as Explained;
  expect([outcome, reason]).toEqual([answer.outcome, answer.reason]);
  expect(printed.code).toBe(answer.outcome === 'delivered' ? 0 : 1);
  const { out } = await runInside(command);
  const lines = out.trimEnd().split('\n');
  expect(lines).toHaveLength(answer.steps.length + 1);
  expect(lines.at(-1)).toMatch(new RegExp(`^${answer.outcome}: `));
  return answer;
}
