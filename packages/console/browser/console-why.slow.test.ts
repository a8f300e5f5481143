import { expect, onTestFinished, test } from 'vitest';
import { renewFolderEpoch } from '../../server/src/storage/stopped-hub.ts';
import { openCaseWorld } from '../../server/src/testing/explain-cases/explain-case.ts';
import { EXPLAIN_CASES } from '../../server/src/testing/explain-cases/explain-cases.ts';
import { openExplainWorld, type Reader } from '../../server/src/testing/explain-world.ts';
import { temporaryFolder } from '../../server/src/testing/temporary-folder.ts';
import { openConsole, type ConsolePage } from './console-page.ts';
import { startBrowser } from './lab-page.ts';

/** How the page begins its sentence. */
const OUTCOME_WORDS: Readonly<Record<string, string>> = {
  delivered: 'Delivered.',
  pending: 'Not yet.',
  missed: 'Not delivered.',
};

test('each way in which an event misses its reader, or reaches it, is a sentence and steps on the page', async () => {
  const data = temporaryFolder();
  const [browser, { world, endpoints }] = await Promise.all([startBrowser(), openCaseWorld({ data })]);
  onTestFinished(() => browser.close());
  const { hub, publish } = world;
  const { page, errors } = await openConsole(browser, { url: hub.url, key: hub.firstKey as string }, '#/why');
  for (const { name, arrange, outcome, sentence } of EXPLAIN_CASES) {
    const { event, reader } = await arrange(world, endpoints);
    await ask(page, hub.url, event, reader);
    await expect.poll(() => page.locator('.answer').textContent(), { message: name }).toMatch(sentence);
    expect(await page.locator('.answer b').textContent(), name).toBe(OUTCOME_WORDS[outcome]);
    const steps = await page.getByRole('list', { name: 'Steps' }).locator('> li').count();
    expect(steps, name).toBeGreaterThan(0);
    expect(await page.getByLabel('Id of the event').inputValue(), name).toBe(event);
  }
  expect(errors).toEqual([]);
  // The login survives the restart. Only the log has a new epoch.
  const event = await publish('chat.1', 1);
  await hub.close();
  renewFolderEpoch(data);
  const restarted = await openExplainWorld({ data });
  await ask(page, restarted.hub.url, event, { user: 'ann' });
  await expect
    .poll(() => page.locator('.answer').textContent())
    .toMatch(/^Not delivered\. The event belongs to an earlier log/);
});

/** Opens the address of a question, as a colleague sends it. */
async function ask(page: ConsolePage['page'], url: string, event: string, reader: Reader): Promise<void> {
  await page.goto(`${url}/console/#/why?${new URLSearchParams({ event, ...reader }).toString()}`);
}
