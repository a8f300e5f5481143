import { readFile } from 'node:fs/promises';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { checkSmallAndDark, openConsole, startConsoleHub, type ConsoleHub, type ConsolePage } from './console-page.ts';
import { startBrowser } from './lab-page.ts';

let hub: ConsoleHub;
let browser: Browser;
let ids: readonly string[];

beforeAll(async () => {
  const rules =
    '[{"pattern":"orders.>","presence":["anyone"],"historyCountMax":5000},{"pattern":">","subscribe":["anyone"]}]';
  [hub, browser] = await Promise.all([startConsoleHub('dev', `rules=${rules}`), startBrowser()]);
  const events = Array.from({ length: 120 }, (_, count) => ({
    channel: 'orders.42',
    type: count % 10 === 0 ? 'order.paid' : 'order.placed',
    data: { count, state: count === 57 ? 'burnt' : 'baked' },
  }));
  const answers = await hub.administer<readonly { id: string }[]>('POST', '/v1/events', events);
  ids = answers.map(({ id }) => id);
  await hub.administer('POST', '/v1/events', { channel: 'shop.orders.summary', data: 1 });
  await fetch(`${hub.url}/v1/channels/pictures.1/events`, {
    method: 'POST',
    headers: { 'content-type': 'image/png' },
    body: new Uint8Array([137, 80, 78, 71]),
  });
});

afterAll(async () => {
  await browser.close();
  await hub.stop();
});

test('channels are found by the beginning of their name, and by any part of it', async () => {
  const { page } = await open('#/channels');
  await page.getByRole('searchbox').fill('ord');
  await expect
    .poll(() => page.locator('tbody tr').allTextContents())
    .toEqual([expect.stringMatching(/^orders\.42120/)]);
  await page.getByRole('button', { name: 'Contains' }).click();
  await expect.poll(() => page.locator('tbody tr').count()).toBe(2);
  await page.getByRole('searchbox').fill('nothing like it');
  await page.getByText('No channel has “nothing like it” in its name.').waitFor();
  await page.getByRole('searchbox').fill('');
  await page.getByRole('link', { name: 'orders.42', exact: true }).waitFor();
  await checkSmallAndDark(page);
});

test('the history goes both ways, to a time, and by type and content', async () => {
  const { page, errors } = await open('#/channels/orders.42');
  const rows = page.getByRole('list', { name: 'Events, newest first' }).locator('> li');
  await expect.poll(() => rows.first().textContent()).toContain('"count":119');
  await expect.poll(() => rows.count()).toBe(50);
  await page.getByRole('button', { name: 'Older' }).click();
  await expect.poll(() => rows.first().textContent()).toContain('"count":69');
  await page.getByRole('button', { name: 'Newer' }).click();
  await expect.poll(() => rows.first().textContent()).toContain('"count":119');
  await page.getByLabel('Type').first().fill('order.paid');
  await page.keyboard.press('Enter');
  await expect.poll(() => rows.count()).toBe(12);
  await page.getByLabel('Type').first().fill('');
  // The filter beside it is entered while a person types: nothing of it is lost.
  await page.getByLabel('Content contains').pressSequentially('burnt', { delay: 30 });
  await page.keyboard.press('Enter');
  await page.getByText('1 event of 120 examined.').waitFor();
  expect(await rows.first().textContent()).toContain('"count":57');
  await rows.first().locator('summary').click();
  await expect.poll(() => rows.first().locator('pre').textContent()).toContain(`"id": "${ids[57]}"`);
  expect(page.url()).toContain('text=burnt');
  await page.getByLabel('Content contains').fill('');
  await page.keyboard.press('Enter');
  await page.getByLabel('Jump to a time').fill('2020-01-01T00:00:00');
  await page.getByRole('button', { name: 'Jump' }).click();
  await expect.poll(() => rows.last().textContent()).toContain('"count":0,');
  expect(errors).toEqual([]);
  await checkSmallAndDark(page);
});

test('a channel shows its rule, who is present, bytes, and the same as code', async () => {
  const { page } = await open('#/channels/orders.42');
  const rules = page.getByRole('region', { name: 'Rules of the channel' });
  await expect
    .poll(() => rules.getByRole('row', { name: /historyCountMax/ }).textContent())
    .toBe('historyCountMax5000rule 2 (orders.>)');
  await page.getByText('0 users and 0 anonymous sessions.').waitFor();
  expect(await page.locator('.code').textContent()).toContain(`${hub.url}/v1/events?channel=orders.42`);
  const { page: picture } = await open('#/channels/pictures.1');
  const row = picture.getByRole('list', { name: 'Events, newest first' }).locator('> li').first();
  await expect.poll(() => row.textContent()).toContain('4 bytes of image/png');
  await row.locator('summary').click();
  await expect.poll(() => row.locator('pre').last().textContent()).toMatch(/^000000 {2}89 50 4e 47 .*\.PNG$/);
});

test('an address that somebody else made calls nothing but channels, and no address ends the page', async () => {
  const { page, errors } = await open('#/channels/..%2Fsubscriptions%2Fsub_1%2Fpause%3F');
  const paths: string[] = [];
  page.on('request', (request) => paths.push(new URL(request.url()).pathname));
  const refusal = page.getByText('This is not the name of a channel');
  await refusal.waitFor();
  for (const name of ['a%27%3B%20rm%20%27', '..', '%']) {
    await page.goto(`${hub.url}/console/#/settings`);
    await page.getByRole('heading', { name: 'Settings' }).waitFor();
    await page.goto(`${hub.url}/console/#/channels/${name}`);
    await refusal.waitFor();
  }
  expect(paths.filter((path) => path.startsWith('/v1/') && path !== '/v1/configuration')).toEqual([]);
  expect(errors).toEqual([]);
});

test('a form publishes, and the event appears in the history', async () => {
  const { page } = await open('#/channels/forms.1');
  await page.getByText('No stored events here.').waitFor();
  await page.getByRole('textbox', { name: 'Data' }).fill('{"state": "ready"}');
  await page.getByRole('button', { name: 'Publish to forms.1' }).click();
  await page.getByText(/Published as \S+\./).waitFor();
  const rows = page.getByRole('list', { name: 'Events, newest first' }).locator('> li');
  await expect.poll(() => rows.first().textContent()).toContain('{"state":"ready"}');
});

test('an event is erased by typing its id, and a channel by typing its name; the audit log has both', async () => {
  const [, { id }] = await hub.administer<readonly [unknown, { id: string }]>('POST', '/v1/events', [
    { channel: 'orders.erased', data: 'kept' },
    { channel: 'orders.erased', data: 'a password' },
  ]);
  const { page, errors } = await open('#/channels/orders.erased');
  const rows = page.getByRole('list', { name: 'Events, newest first' }).locator('> li');
  await expect.poll(() => rows.allTextContents()).toHaveLength(2);
  await rows.first().locator('summary').click();
  await page.getByRole('button', { name: 'Erase the event …' }).click();
  await confirmByTyping(page, id, 'kept');
  await page.getByText(`Erased ${id}: 1 event.`).waitFor();
  await expect.poll(() => rows.allTextContents()).toEqual([expect.stringContaining('"kept"')]);
  await page.getByRole('button', { name: 'Erase the channel …' }).click();
  await confirmByTyping(page, 'orders.erased', 'orders');
  await page.getByText('Erased orders.erased: 1 event.').waitFor();
  await page.getByText('No stored events here.').waitFor();
  expect((await hub.administer<{ channels: unknown }>('GET', '/v1/channels?match=orders.erased')).channels).toEqual([]);
  await page.goto(`${hub.url}/console/#/access/audit?search=erasure.`);
  const entries = page.getByRole('region', { name: 'Audit log' }).locator('tbody tr');
  await expect
    .poll(async () =>
      (await entries.allTextContents()).map((text) => /erasure\.\w+?(?=orders\.erased|0)/.exec(text)?.[0]),
    )
    .toEqual(['erasure.finished', 'erasure.requested', 'erasure.finished', 'erasure.requested']);
  expect(errors).toEqual([]);
});

test('following shows live events, pauses, filters, and saves them', async () => {
  const { page, errors } = await open('#/follow');
  await page.getByLabel('Channels or patterns').fill('live.>');
  await page.getByRole('button', { name: 'Follow' }).click();
  await page.getByText(/Waiting for the first event \(open/).waitFor();
  const rows = page.getByRole('list', { name: 'Live events, newest first' }).locator('> li');
  await hub.administer('POST', '/v1/events', { channel: 'live.1', data: 'first' });
  await expect.poll(() => rows.first().textContent()).toContain('live.1"first"');
  await page.getByRole('button', { name: 'Pause' }).click();
  await hub.administer('POST', '/v1/events', { channel: 'live.1', data: 'second' });
  const exported = async (): Promise<readonly string[]> => {
    const download = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Export NDJSON' }).click();
    const saved = await readFile(await (await download).path(), 'utf8');
    return saved
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { data: string }).data);
  };
  // The page has the second event, and does not show it.
  await expect.poll(exported).toEqual(['first', 'second']);
  expect(await rows.count()).toBe(1);
  await page.getByRole('button', { name: 'Resume' }).click();
  await expect.poll(() => rows.count()).toBe(2);
  expect(errors).toEqual([]);
  await checkSmallAndDark(page);
});

test('a name that no channel can have is said in words, also with an escape that is none', async () => {
  const { page, errors } = await open('#/channels/%E0%A4%A');
  expect(await page.locator('h1').textContent()).toBe('%E0%A4%A');
  expect(await page.getByRole('alert').textContent()).toContain('This is not the name of a channel');
  await page.goto(`${hub.url}/console/#/channels/${encodeURIComponent('bad name<b>')}`);
  await expect.poll(() => page.locator('h1').textContent()).toBe('bad name<b>');
  expect(await page.getByRole('button', { name: /^Publish/ }).count()).toBe(0);
  expect(errors).toEqual([]);
});

test('the longest name fits on every screen', async () => {
  const name = `${'a'.repeat(100)}.${'b'.repeat(99)}`;
  await hub.administer('POST', '/v1/events', { channel: name, data: 1 });
  const { page } = await open(`#/channels/${name}`);
  await page.getByRole('button', { name: `Publish to ${name}` }).waitFor();
  await checkSmallAndDark(page);
  await page.goto(`${hub.url}/console/#/channels`);
  await page.getByRole('link', { name }).waitFor();
  await checkSmallAndDark(page);
  // Each column is in sight, not only the name.
  const [row] = await page.getByRole('region', { name: 'Channels' }).locator('tbody tr').all();
  const cell = await row?.locator('td').last().boundingBox();
  expect((cell?.x ?? 0) + (cell?.width ?? 0)).toBeLessThanOrEqual(1280);
});

test('at thousands of events a second the page shows a sample, says so, and counts all of them', async () => {
  const { page } = await open('#/follow?channels=busy.>');
  // An event stream: a browser would run a task for each of as many WebSocket messages.
  await page.getByText('Waiting for the first event (open sse).').waitFor();
  const line = `${JSON.stringify({ channel: 'busy.1', data: { text: 'x'.repeat(100) } })}\n`;
  for (let turn = 0; turn < 5; turn++)
    await fetch(`${hub.url}/v1/events`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson' },
      body: line.repeat(5000),
    }).then((response) => response.text());
  await page.getByText(/Sampled: 1 of \d+ is shown, all are counted\.|All are shown/).waitFor();
  await vi.waitFor(
    async () => expect(await page.getByRole('status').first().textContent()).toContain('25,000 received'),
    {
      timeout: 20_000,
    },
  );
  const rows = await page.getByRole('list', { name: 'Live events, newest first' }).locator('> li').count();
  expect(rows).toBeGreaterThan(20);
  expect(rows).toBeLessThanOrEqual(200);
});

/** Another name erases nothing: the button waits for the right one. */
async function confirmByTyping(page: ConsolePage['page'], name: string, another: string): Promise<void> {
  const dialog = page.getByRole('dialog');
  const button = dialog.getByRole('button', { name: 'Erase' });
  await dialog.getByRole('textbox').fill(another);
  expect(await button.isDisabled()).toBe(true);
  await dialog.getByRole('textbox').fill(name);
  await button.click();
}

async function open(path: string): Promise<ConsolePage> {
  const opened = await openConsole(browser, hub, path);
  onTestFinished(() => opened.page.context().close());
  return opened;
}
