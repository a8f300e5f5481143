import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { until } from '../../conformance/kit/wait.ts';
import { startExample, type RunningExample } from '../kit/start-example.ts';
import { openPage, overflow, startBrowser, type PageOptions } from '../kit/testing/browser.ts';
import { count, milliseconds, percentile, recordMeasurements } from '../kit/testing/measurements.ts';

let example: RunningExample;
let browser: Browser;

beforeAll(async () => {
  [example, browser] = await Promise.all([startExample('collab-board'), startBrowser()]);
});

afterAll(async () => {
  await browser.close();
  await example.stop();
});

async function join(name: string, board: string, options?: PageOptions): Promise<{ page: Page; errors: string[] }> {
  const opened = await openPage(browser, `${example.url}/?name=${name}&board=${board}`, options);
  await until(`${name} is live`, async () => (await opened.page.locator('[data-state=open]').count()) === 1);
  return opened;
}

test('two people who change one note at once: one is told, and each undoes only what is theirs', async () => {
  const [ada, ben] = await Promise.all([
    join('Ada', 'conflict'),
    join('Ben', 'conflict', { width: 390, colorScheme: 'dark' }),
  ]);
  await until('both are present', async () => (await ada.page.locator('#people li').count()) === 2);
  await ada.page.click('text=New note');
  await write(ada.page, 'from Ada');
  // A change of a version that a page does not have yet is refused.
  for (const { page } of [ada, ben]) await until('both have it', async () => (await text(page)) === 'from Ada');
  // Ben is offline, and changes what Ada changes meanwhile.
  await ben.page.context().setOffline(true);
  await write(ben.page, 'from Ben');
  await write(ada.page, 'from Ada again');
  await until('the change of Ada is first', async () => (await historyOf('conflict')).includes('from Ada again'));
  await ben.page.context().setOffline(false);
  await until('Ben is told', async () => (await ben.page.locator('#problem.bad').count()) === 1);
  expect(await ben.page.locator('#problem').innerText()).toContain('Their version stays');
  await until('Ben has the version of Ada', async () => (await text(ben.page)) === 'from Ada again');
  await ada.page.click('text=Undo mine');
  await until('Ada has undone', async () => (await text(ben.page)) === 'from Ada');
  await write(ben.page, 'from Ben, later');
  await until('Ada has it', async () => (await text(ada.page)) === 'from Ben, later');
  await ada.page.click('text=Undo mine');
  await until('Ada is told', async () => (await ada.page.locator('#problem.bad').count()) === 1);
  expect(await text(ada.page)).toBe('from Ben, later');
  expect(await overflow(ben.page)).toBe(0);
  expect([...ada.errors, ...ben.errors].filter((error) => !/412|ERR_INTERNET/.test(error))).toEqual([]);
});

test('notes survive a hub that is killed, and a page that is opened again', async () => {
  const { page } = await join('Cleo', 'crash');
  await page.click('text=New note');
  await write(page, 'before the crash');
  await until('it is stored', async () => (await historyOf('crash')).includes('before the crash'));
  // The page changes it from there. Its own version is one that the hub has sent.
  await until('the page has it', async () => (await text(page)) === 'before the crash');
  await example.part('hub').kill('SIGKILL');
  await example.part('hub').start();
  await until('it is live again', async () => (await page.locator('[data-state=open]').count()) === 1);
  await write(page, 'after the crash');
  await until('it is stored', async () => (await historyOf('crash')).includes('after the crash'));
  await page.reload();
  await until('the note is there', async () => (await text(page)) === 'after the crash');
});

test('how late a cursor is, and what it costs', async () => {
  const moves = process.env['MEASURE'] === undefined ? 40 : 400;
  const people = await Promise.all(['Dora', 'Emil', 'Fay'].map((name) => join(name, 'cursors')));
  const [dora, ...others] = people.map(({ page }) => page) as [Page, ...Page[]];
  const box = await dora.locator('#surface').boundingBox();
  if (box === null) throw new Error('The board is not there.');
  for (const page of others) await page.evaluate(watchCursor);
  const before = example.front.traffic();
  const startMs = performance.now();
  /**
   * When the pointer came to each place. The same place comes again after more than five seconds.
   */
  const sent: { readonly place: number; readonly atMs: number }[] = [];
  for (let step = 1; step <= moves; step++) {
    const x = 40 + ((step * 7) % 1000);
    await dora.mouse.move(box.x + x, box.y + 100);
    sent.push({ place: Math.round((x / box.width) * 1000), atMs: Date.now() });
    await dora.waitForTimeout(50);
  }
  const last = sent.at(-1)?.place;
  for (const page of others)
    await until('the last place is shown', () => page.evaluate((place) => window.seen.at(-1)?.place === place, last));
  const seconds = (performance.now() - startMs) / 1000;
  const after = example.front.traffic();
  const seen = (await Promise.all(others.map((page) => page.evaluate(() => window.seen)))).flat();
  const delays = seen.flatMap(({ place, atMs }) => {
    const arrived = sent.findLast((move) => move.place === place && move.atMs <= atMs);
    return arrived === undefined ? [] : [atMs - arrived.atMs];
  });
  // A slow machine shows fewer places: of several cursors that wait, a page draws the last.
  expect(delays.length).toBeGreaterThan(0);
  recordMeasurements(import.meta.dirname, [
    {
      measured: 'three people, one moves the pointer',
      'delay p50': milliseconds(percentile(delays, 0.5)),
      'delay p99': milliseconds(percentile(delays, 0.99)),
      'requests, all three': count(after.requests - before.requests),
      'bytes per second, all three': count((after.bytes - before.bytes) / seconds),
    },
  ]);
});

/** Runs in the page: notes when each place of Dora's cursor is shown. */
function watchCursor(): void {
  window.seen = [];
  new MutationObserver(() => {
    const left = document.querySelector<HTMLElement>('[data-cursor=Dora]')?.style.left;
    if (left === undefined) return;
    const place = Math.round(Number.parseFloat(left) * 10);
    if (window.seen.at(-1)?.place !== place) window.seen.push({ place, atMs: Date.now() });
  }).observe(document.body, { attributes: true, childList: true, subtree: true });
}

declare global {
  interface Window {
    seen: { place: number; atMs: number }[];
  }
}

async function write(page: Page, value: string): Promise<void> {
  await page.locator('.note textarea').fill(value);
  await page.locator('.note textarea').blur();
}

function text(page: Page): Promise<string> {
  return page.locator('.note textarea').inputValue();
}

async function historyOf(board: string): Promise<string> {
  const headers = { Authorization: `Bearer ${example.key}` };
  const query = `channel=board.${board}.notes.*&after=earliest`;
  return (await fetch(`${example.hub.url}/v1/events?${query}`, { headers })).text();
}
