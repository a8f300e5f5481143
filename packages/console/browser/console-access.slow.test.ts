import { connect } from '@polycast/client';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { checkSmallAndDark, openConsole, startConsoleHub, type ConsoleHub, type ConsolePage } from './console-page.ts';
import { startBrowser } from './lab-page.ts';

let hub: ConsoleHub;
let browser: Browser;

beforeAll(async () => {
  const rules =
    '[{"pattern":"news.>","subscribe":["anyone"]},{"pattern":"staff.>","subscribe":[{"claim":"role","value":"staff"}]}]';
  [hub, browser] = await Promise.all([startConsoleHub('serve', `rules=${rules}`), startBrowser()]);
});

afterAll(async () => {
  await browser.close();
  await hub.stop();
});

test('a key is made, shown once, rotated and revoked by its name', async () => {
  const { page, errors } = await open('#/access/keys');
  await page.getByLabel('Name').fill('shop backend');
  expect(await page.getByRole('button', { name: 'Create the key' }).isDisabled()).toBe(true);
  await page.getByLabel('publish: patterns').fill('orders.>');
  await page.getByRole('button', { name: 'Create the key' }).click();
  const secret = page.getByText('The key shop backend, shown only now');
  const [key = ''] = /pck_\w+/.exec((await secret.textContent()) ?? '') ?? [];
  const publish = async (): Promise<number> =>
    (
      await fetch(`${hub.url}/v1/channels/orders.1/events`, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        body: '1',
      })
    ).status;
  expect(await publish()).toBe(201);
  expect(await page.getByRole('row', { name: /shop backend/ }).textContent()).toContain('publish: orders.>');
  await page.getByRole('button', { name: 'Revoke shop backend …' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('textbox').fill('shop');
  expect(await dialog.getByRole('button', { name: 'Revoke' }).isDisabled()).toBe(true);
  await dialog.getByRole('textbox').fill('shop backend');
  await dialog.getByRole('button', { name: 'Revoke' }).click();
  await expect.poll(() => page.getByRole('row', { name: /shop backend/ }).count()).toBe(0);
  expect(await publish()).toBe(401);
  expect(errors).toEqual([]);
  await checkSmallAndDark(page);
});

test('the rules are shown in their order, with where they come from', async () => {
  const { page } = await open('#/access/rules');
  const rows = page.getByRole('region', { name: 'Rules' }).locator('tbody tr');
  await expect.poll(() => rows.first().textContent()).toBe('1news.>subscribe: ["anyone"]');
  expect(await page.getByText('Rules come from').textContent()).toContain('--set rules');
  await checkSmallAndDark(page);
});

test('what somebody may do is answered with the rule that decides', async () => {
  const { page } = await open('#/access/explain');
  await page.getByLabel('Name of the user').fill('ann');
  await page.getByLabel('Channel or pattern').fill('staff.room');
  await page.getByRole('button', { name: 'Ask' }).click();
  const subscribe = page.getByRole('row', { name: /^subscribe/ });
  await expect.poll(() => subscribe.textContent()).toMatch(/^subscribe staff\.roomnorule 2 \(staff\.>\)/);
  await page.getByLabel('Claims of the token').fill('{"role":"staff"}');
  await page.getByRole('button', { name: 'Ask' }).click();
  await expect.poll(() => subscribe.textContent()).toContain('staff.roomyes');
  expect(page.url()).toContain('channel=staff.room');
  await checkSmallAndDark(page);
});

test('the audit log is searched', async () => {
  for (let count = 0; count < 60; count++)
    await hub.administer('POST', '/v1/revocations', { user: count === 3 ? 'searched' : `user-${count}` });
  const { page } = await open('#/access/audit');
  const rows = page.getByRole('region', { name: 'Audit log' }).locator('tbody tr');
  await expect.poll(() => rows.count()).toBe(50);
  await page.getByRole('button', { name: 'Show more' }).click();
  await expect.poll(() => rows.count()).toBeGreaterThan(60);
  await page.getByLabel('Search').fill('Searched');
  await page.keyboard.press('Enter');
  await expect.poll(() => rows.count()).toBe(1);
  expect(await rows.first().textContent()).toContain('revocation.madesearched');
  await page.getByLabel('Search').fill('nothing has this');
  await page.keyboard.press('Enter');
  await page.getByText('No entry contains “nothing has this”.').waitFor();
  await checkSmallAndDark(page);
});

test('each setting has its value, its origin and the reason for its default', async () => {
  const { page } = await open('#/settings?search=heartbeat');
  const setting = page.getByRole('listitem').filter({ hasText: 'delivery.heartbeatMs' });
  expect(await setting.textContent()).toContain('default');
  await setting.locator('summary').click();
  expect(await setting.textContent()).toContain('Why this default:');
  await page.getByLabel('Search').fill('');
  await page.getByRole('button', { name: 'Not the default' }).click();
  const rules = page.getByRole('listitem').filter({ hasText: /^rules/ });
  await expect.poll(() => rules.textContent()).toContain('--set rules');
  await page.getByRole('button', { name: 'Reload the configuration …' }).click();
  await page.getByRole('dialog').getByRole('textbox').fill('reload');
  await page.keyboard.press('Enter');
  await page.getByText('Nothing has changed.').waitFor();
  await checkSmallAndDark(page);
});

test('a hub without access control has no keys and says so; its sessions are anonymous', async () => {
  const openHub = await startConsoleHub('dev');
  onTestFinished(() => openHub.stop());
  const { page, errors } = await openConsole(browser, openHub, '#/access/keys');
  onTestFinished(() => page.context().close());
  await page.getByRole('status').getByText('This hub has no access control').waitFor();
  expect(await page.getByRole('button', { name: 'Create the key' }).count()).toBe(0);
  await checkSmallAndDark(page);
  for (const view of ['rules', 'explain', 'audit']) {
    await page.goto(`${openHub.url}/console/#/access/${view}`);
    await page.locator('main table, main form').first().waitFor();
  }
  const connection = connect(openHub.url, { transports: ['sse'] });
  onTestFinished(() => connection.close());
  await connection.subscribe('news.1', () => undefined).joined;
  await page.goto(`${openHub.url}/console/#/sessions?transport=sse`);
  const row = page.getByRole('region', { name: 'Sessions' }).locator('tbody tr');
  await row.filter({ hasText: 'news.1' }).getByText('anonymous').waitFor();
  expect(await page.getByRole('columnheader').last().textContent()).toBe('Action');
  await page.getByLabel('Transport').selectOption('short-poll');
  await page.getByText('No live session matches.').waitFor();
  expect(errors).toEqual([]);
});

async function open(path: string): Promise<ConsolePage> {
  const opened = await openConsole(browser, hub, path);
  onTestFinished(() => opened.page.context().close());
  return opened;
}
