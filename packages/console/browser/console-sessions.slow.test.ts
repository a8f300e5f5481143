import { connect, type Connection } from '@polycast/client';
import { signToken } from '@polycast/client/server';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { checkSmallAndDark, openConsole, startConsoleHub, type ConsoleHub, type ConsolePage } from './console-page.ts';
import { startBrowser } from './lab-page.ts';

const SECRET = 'a secret of thirty-two bytes or more';
/** A refresh, or a question, ends the one before: it has some time to be answered. */
const REFRESHES = { interval: 500 };

let hub: ConsoleHub;
let browser: Browser;

beforeAll(async () => {
  const rules = '[{"pattern":"news.>","subscribe":["anyone"]},{"pattern":"staff.>","subscribe":["server"]}]';
  const tokens = JSON.stringify([{ keys: [{ algorithm: 'HS256', secret: SECRET }] }]);
  [hub, browser] = await Promise.all([
    startConsoleHub('serve', `rules=${rules}`, `identity.tokens=${tokens}`),
    startBrowser(),
  ]);
});

afterAll(async () => {
  await browser.close();
  await hub.stop();
});

test('sessions are listed with their owner, transport and channels; one is ended by typing its owner', async () => {
  const received: unknown[] = [];
  const connection = follow('ann', received);
  const { page, errors } = await open('#/sessions?user=ann');
  const rows = page.getByRole('region', { name: 'Sessions' }).locator('tbody tr');
  await expect
    .poll(async () => (await refresh(page), rows.allTextContents()), REFRESHES)
    .toEqual([expect.stringMatching(/^ann.*websocket127\.0\.0\.1news\.>/)]);
  await checkSmallAndDark(page);
  // On a small screen each row is a card with titles, so that the button at its end is in sight.
  await page.setViewportSize({ width: 390, height: 844 });
  const button = await page.getByRole('button', { name: /^End the session/ }).boundingBox();
  expect((button?.x ?? 0) + (button?.width ?? 0)).toBeLessThanOrEqual(390);
  expect(await page.getByRole('cell', { name: 'websocket' }).getAttribute('data-label')).toBe('Transport');
  await page.getByRole('button', { name: /^End the session/ }).click();
  await page.getByRole('dialog').getByRole('textbox').fill('ann');
  await page.keyboard.press('Enter');
  await expect.poll(() => page.getByRole('dialog').count()).toBe(0);
  await page.getByRole('button', { name: 'Ended' }).click();
  await expect
    .poll(async () => (await refresh(page), rows.allTextContents()), REFRESHES)
    .toEqual(expect.arrayContaining([expect.stringMatching(/ann.*ended$/)]));
  expect(errors).toEqual([]);
  connection.close();
});

test('a user is online, gets a message, and is revoked', async () => {
  const received: unknown[] = [];
  follow('bob', received);
  const { page } = await open('#/sessions/bob');
  await expect.poll(() => page.getByText('online', { exact: true }).isVisible()).toBe(true);
  await page.getByLabel('Message').fill('{"text": "hello"}');
  await page.getByRole('button', { name: 'Send' }).click();
  await page.getByText(/Sent as \S+\./).waitFor();
  await expect.poll(() => received).toEqual([{ text: 'hello' }]);
  await page.getByRole('button', { name: 'Revoke the user …' }).click();
  await page.getByRole('dialog').getByRole('textbox').fill('bob');
  await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
  await page.getByText('1 session ended. All credentials of bob issued before are refused.').waitFor();
  await checkSmallAndDark(page);
});

test('the data of a user is erased by typing the name, and the audit log names who did it', async () => {
  await hub.administer('POST', '/v1/users/zoe/events', { data: 'a private message' });
  await hub.administer('POST', '/v1/events', { channel: 'news.2', data: 'not hers' });
  const { page, errors } = await open('#/sessions/zoe');
  await page.getByRole('button', { name: 'Erase the user’s data …' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('textbox').fill('zoé');
  expect(await dialog.getByRole('button', { name: 'Erase' }).isDisabled()).toBe(true);
  await dialog.getByRole('textbox').fill('zoe');
  await dialog.getByRole('button', { name: 'Erase' }).click();
  await page.getByText('Erased zoe: 1 event.').waitFor();
  const { channels } = await hub.administer<{ channels: readonly { channel: string }[] }>('GET', '/v1/channels');
  expect(channels.map(({ channel }) => channel)).toContain('news.2');
  expect(JSON.stringify(channels)).not.toContain('zoe');
  const { entries } = await hub.administer<{ entries: readonly object[] }>('GET', '/v1/audit?contains=erasure.');
  expect(entries).toMatchObject([
    { action: 'erasure.finished', subject: 'zoe', by: { kind: 'server' } },
    { action: 'erasure.requested', subject: 'zoe', by: { kind: 'server' } },
  ]);
  expect(errors).toEqual([]);
});

test('why somebody got an event, or did not, is answered in a sentence and in steps', async () => {
  const received: unknown[] = [];
  follow('eve', received);
  const published = await publishUntil('news.1', received);
  const { page } = await open('#/why');
  const ask = async (event: string, user: string): Promise<void> => {
    await page.getByLabel('Id of the event').fill(event);
    await page.getByLabel('Name or id').fill(user);
    await page.getByRole('button', { name: 'Ask why' }).click();
  };
  await ask(published, 'eve');
  const answer = page.locator('.answer');
  // The event may still be on its way when the question is asked first.
  await expect
    .poll(async () => {
      await page.getByRole('button', { name: 'Ask why' }).click();
      return answer.textContent();
    }, REFRESHES)
    .toMatch(/^Delivered\. .*\beve\b/);
  const steps = page.getByRole('list', { name: 'Steps' });
  expect(await steps.textContent()).toContain('news.1');
  const asked = new URLSearchParams(page.url().split('?')[1]);
  expect([asked.get('event'), asked.get('user')]).toEqual([published, 'eve']);
  await checkSmallAndDark(page);
  const { id } = await hub.administer<{ id: string }>('POST', '/v1/events', { channel: 'staff.1', data: 1 });
  await ask(id, 'eve');
  await expect.poll(() => answer.textContent()).toMatch(/^Not delivered\. /);
  expect(await steps.locator('.step.bad').first().textContent()).toContain('stopped');
});

/** A user's program that follows the news and its own messages. */
function follow(user: string, received: unknown[]): Connection {
  const token = signToken({ user }, { secret: SECRET });
  // A hub that stands still for five seconds would be asked by another transport.
  const connection = connect(hub.url, { token, transports: ['websocket'] });
  // A revocation ends it.
  connection.on('error', () => undefined);
  onTestFinished(() => connection.close());
  connection.subscribe('news.>', ({ data }) => received.push(data));
  connection.me(({ data }) => received.push(data));
  return connection;
}

/** Publishes until the reader has received an event. Returns the id of the last one. */
async function publishUntil(channel: string, received: readonly unknown[]): Promise<string> {
  let id = '';
  await expect
    .poll(async () => {
      ({ id } = await hub.administer<{ id: string }>('POST', '/v1/events', { channel, data: 'news' }));
      return received.length;
    })
    .toBeGreaterThan(0);
  return id;
}

async function refresh(page: ConsolePage['page']): Promise<void> {
  await page.getByRole('button', { name: 'Refresh' }).click();
}

async function open(path: string): Promise<ConsolePage> {
  const opened = await openConsole(browser, hub, path);
  onTestFinished(() => opened.page.context().close());
  return opened;
}
