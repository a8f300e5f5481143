import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { checkSmallAndDark, openConsole, startConsoleHub, type ConsoleHub, type ConsolePage } from './console-page.ts';
import { startBrowser } from './lab-page.ts';

let hub: ConsoleHub;
let browser: Browser;
/** The endpoint of a customer, which the test can break. */
let endpoint: { readonly url: string; status: number; readonly received: string[] };

beforeAll(async () => {
  endpoint = await startEndpoint();
  const { host } = new URL(endpoint.url);
  [hub, browser] = await Promise.all([
    startConsoleHub('serve', `outgoing.allow=["${host}"]`, `subscriptions.trustedEndpoints=["http://${host}"]`),
    startBrowser(),
  ]);
});

afterAll(async () => {
  await browser.close();
  await hub.stop();
});

test('the form checks as one types, creates a webhook, and shows its first test', async () => {
  const { page, errors } = await open('#/subscriptions/new');
  await page.getByText('Name a channel or a pattern.').waitFor();
  await page.getByLabel('Channels').fill('orders.>');
  await page.getByText('Enter the URL of the endpoint.').waitFor();
  await page.getByLabel('URL of the endpoint').fill(endpoint.url);
  await page.getByLabel('Description').fill('The warehouse');
  await page.getByRole('button', { name: 'Create' }).click();
  await page.getByText('Created, and active.').waitFor();
  expect(await page.getByText('shown only now').textContent()).toContain('whsec_');
  await page.getByText('delivered', { exact: true }).waitFor();
  await page.getByRole('link', { name: 'Open the subscription' }).click();
  await page.getByRole('heading', { name: endpoint.url }).waitFor();
  await page.getByRole('link', { name: 'Subscriptions', exact: true }).click();
  await page.getByRole('cell', { name: `${endpoint.url} The warehouse` }).waitFor();
  expect(errors).toEqual([]);
  await checkSmallAndDark(page);
});

test('a failing endpoint: its attempts with both sides, retry now, and events arrive', async () => {
  endpoint.status = 500;
  const id = await create('failing.>', [600]);
  await hub.administer('POST', '/v1/events', { channel: 'failing.1', data: 'waited' });
  const { page } = await open(`#/subscriptions/${id}`);
  const attempts = page.getByRole('list', { name: 'Attempts, newest first' }).locator('> li');
  await expect.poll(() => attempts.first().textContent()).toContain('refused status');
  await attempts.first().locator('summary').click();
  expect(await attempts.first().textContent()).toContain('the hub records no response of a private address');
  expect(await attempts.first().textContent()).toContain('webhook-signature');
  endpoint.status = 204;
  await page.getByRole('button', { name: 'Retry now' }).click();
  await expect.poll(() => endpoint.received.some((body) => body.includes('waited'))).toBe(true);
  await expect.poll(() => attempts.first().textContent()).toContain('delivered');
  // Also those that began and ended between two refreshes of the page.
  for (let event = 2; event <= 3; event++) {
    const count = await attempts.count();
    await hub.administer('POST', '/v1/events', { channel: 'failing.1', data: `event ${event}` });
    await expect.poll(() => attempts.count()).toBe(count + 1);
  }
  await checkSmallAndDark(page);
});

test('dead letters are filtered, and some or all are retried with progress', async () => {
  endpoint.status = 500;
  const id = await create('dead.>', []);
  for (let count = 0; count < 6; count++)
    await hub.administer('POST', '/v1/events', { channel: `dead.${count}`, data: `letter ${count}` });
  const { page } = await open(`#/subscriptions/${id}`);
  const letters = page.getByRole('list', { name: 'Dead letters, oldest first' }).locator('> li');
  await expect.poll(() => letters.count()).toBe(6);
  endpoint.status = 204;
  await page.getByLabel('Filter').fill('dead.3');
  await expect.poll(() => letters.count()).toBe(1);
  await letters.first().getByRole('checkbox').check();
  await page.getByRole('button', { name: 'Retry 1', exact: true }).click();
  await page.getByText('Retried 1 of 1 dead letter.').waitFor();
  await expect.poll(() => endpoint.received.some((body) => body.includes('letter 3'))).toBe(true);
  await page.getByLabel('Filter').fill('');
  await page.getByRole('button', { name: 'Retry all' }).click();
  await page.getByText('Retried 5 dead letters.').waitFor();
  await expect.poll(() => page.getByText('No dead letters: every event').isVisible()).toBe(true);
});

test('a replay from a moment of the timeline delivers the events again', async () => {
  endpoint.status = 204;
  const id = await create('again.>', []);
  await hub.administer('POST', '/v1/events', { channel: 'again.1', data: 'once more' });
  const count = (): number => endpoint.received.filter((body) => body.includes('once more')).length;
  await expect.poll(count).toBe(1);
  const { page } = await open(`#/subscriptions/${id}`);
  await page.getByLabel('From the moment').focus();
  await page.keyboard.press('Home');
  await page.getByText('1 h 0 min ago, are delivered again').waitFor();
  await page.getByRole('button', { name: 'Replay' }).click();
  await expect.poll(count).toBe(2);
});

test('rotating and deleting ask for the name; pausing is shown at once', async () => {
  const id = await create('gone.>', []);
  const { page } = await open(`#/subscriptions/${id}`);
  await page.getByRole('button', { name: 'Pause' }).click();
  await page.locator('.tag', { hasText: 'paused' }).waitFor();
  await page.getByRole('button', { name: 'Rotate the secret …' }).click();
  const dialog = page.getByRole('dialog');
  expect(await dialog.getByRole('button', { name: 'Rotate' }).isDisabled()).toBe(true);
  await dialog.getByRole('textbox').fill(id);
  await page.keyboard.press('Enter');
  expect(await page.getByText('The new secret, shown only now').textContent()).toContain('whsec_');
  await page.getByRole('button', { name: 'Delete …' }).click();
  await page.keyboard.press('Escape');
  await expect.poll(() => dialog.count()).toBe(0);
  await page.getByRole('button', { name: 'Delete …' }).click();
  await dialog.getByRole('textbox').fill(id);
  await dialog.getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('heading', { name: 'Subscriptions' }).waitFor();
  await expect(hub.administer('GET', `/v1/subscriptions/${id}`)).rejects.toThrow('not_found');
});

test('a queue is found by its name, and an address of no subscription is answered in words', async () => {
  await hub.administer('PUT', '/v1/subscriptions/jobs', { channels: ['jobs.>'], delivery: { kind: 'pull' } });
  const { page } = await open('#/subscriptions');
  await page.getByRole('link', { name: 'pull queue jobs' }).click();
  await page.getByRole('heading', { name: 'pull queue jobs' }).waitFor();
  await page.goto(`${hub.url}/console/#/subscriptions/jobs`);
  await page.getByRole('heading', { name: 'pull queue jobs' }).waitFor();
  await page.goto(`${hub.url}/console/#/subscriptions/no%20such%20one`);
  await page.getByRole('alert').waitFor();
  await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Channels' }).click();
  await page.getByRole('heading', { name: 'Channels' }).waitFor();
});

async function create(channel: string, retryDelaysSeconds: readonly number[]): Promise<string> {
  const { id } = await hub.administer<{ id: string }>('POST', '/v1/subscriptions', {
    channels: [channel],
    delivery: { kind: 'webhook', url: endpoint.url, retryDelaysSeconds },
  });
  return id;
}

async function open(path: string): Promise<ConsolePage> {
  const opened = await openConsole(browser, hub, path);
  onTestFinished(() => opened.page.context().close());
  return opened;
}

async function startEndpoint(): Promise<typeof endpoint> {
  const received: string[] = [];
  const started = { url: '', status: 204, received };
  const server = createServer(async (request: IncomingMessage, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    if (started.status < 300) received.push(Buffer.concat(chunks).toString());
    response.writeHead(started.status).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  started.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
  return started;
}
