import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { leaderOf, NATS_SERVER, startBrokers, type Brokers } from '../../../conformance/kit/brokers.ts';
import { checkSmallAndDark, openConsole, startConsoleHub, type ConsoleHub, type ConsolePage } from './console-page.ts';
import { startBrowser } from './lab-page.ts';

/** The page of a cluster: two hubs on three brokers, each a process. */
const PATIENCE = { timeout: 60_000 };

describe.skipIf(NATS_SERVER === undefined)('the console of a cluster', () => {
  let brokers: Brokers;
  let one: ConsoleHub;
  let two: ConsoleHub;
  let browser: Browser;

  beforeAll(async () => {
    [brokers, browser] = await Promise.all([startBrokers({ count: 3 }), startBrowser()]);
    const { nats, replicas, monitoring } = brokers.settings;
    const settings = [
      `cluster.nats=${JSON.stringify(nats)}`,
      `cluster.monitoring=${JSON.stringify(monitoring)}`,
      `cluster.replicas=${replicas}`,
    ];
    one = await startConsoleHub('serve', ...settings);
    two = await startConsoleHub('serve', ...settings);
  });

  afterAll(async () => {
    await browser?.close();
    await Promise.all([one?.stop(), two?.stop()]);
    await brokers?.end();
  });

  /** The console of a hub. The cluster has one key, which the first hub made. */
  async function open(hub: ConsoleHub, path: string): Promise<ConsolePage> {
    const opened = await openConsole(browser, { url: hub.url, key: one.key }, path);
    onTestFinished(() => opened.page.context().close());
    return opened;
  }

  test('the hubs, the brokers and the journal are shown, at each hub, on a small screen and by keyboard', async () => {
    await one.administer('POST', '/v1/channels/orders.1/events', { count: 1 });
    for (const hub of [one, two]) {
      const { page, errors } = await open(hub, '#/cluster');
      await page.getByText('Everything is well: the hubs have the same data').waitFor();
      expect(await page.locator('h1').textContent()).toBe('Cluster polycast');
      // Hubs are compared once they have been at the same block, and replicas follow the leader.
      const equal = async (): Promise<number> => (await rowsOf(page, 'Hubs')).filter(isEqualHub).length;
      await expect.poll(equal, PATIENCE).toBe(2);
      const hubs = await rowsOf(page, 'Hubs');
      expect(hubs).toHaveLength(2);
      for (const url of [one.url, two.url]) expect(hubs.filter((row) => row.includes(url))).toHaveLength(1);
      expect(hubs.filter((row) => row.includes('gave this answer'))).toEqual([expect.stringContaining(hub.url)]);
      await expect
        .poll(() => rowsOf(page, 'Brokers'), PATIENCE)
        .toEqual(['n0', 'n1', 'n2'].map((name) => expect.stringMatching(`^${name}.*answers.*complete.*always`)));
      // Both are elected, and elected again when their machine stands still.
      const countOf = async (table: string, text: string): Promise<number> =>
        (await rowsOf(page, table)).filter((row) => row.includes(text)).length;
      await expect.poll(() => countOf('Hubs', 'subscriptions, erasures'), PATIENCE).toBe(1);
      await expect.poll(() => countOf('Brokers', 'leads the journal'), PATIENCE).toBe(1);
      expect(await page.locator('main').textContent()).toMatch(/Blocks1 to \d+/);
      await checkSmallAndDark(page);
      expect(errors).toEqual([]);
    }
    const { page } = await open(two, '#/overview');
    const link = page.getByRole('navigation').getByRole('link', { name: 'Cluster' });
    await link.press('Enter');
    await page.getByRole('heading', { name: 'Cluster polycast' }).waitFor();
    expect(await link.getAttribute('aria-current')).toBe('page');
  });

  test('pages about one hub say which one, and the sessions say where they are', async () => {
    const { cluster } = await statusOf(two, one.key);
    const name = `the hub ${cluster.hub} on ${cluster.host}`;
    const { page, errors } = await open(two, '#/overview');
    await page.getByText(`These numbers are those of ${name}, one of 2 of the cluster polycast.`).waitFor();
    await page.goto(`${two.url}/console/#/settings`);
    await page.getByText(`This is the configuration of ${name}, one of 2 of the cluster polycast.`).waitFor();
    await page.getByRole('button', { name: 'Reload the configuration …' }).click();
    await page.getByText('Only the hub that gets this request does it').waitFor();
    await page.getByRole('dialog').getByRole('textbox').fill('reload');
    await page.keyboard.press('Enter');
    await page.getByText(`The hub ${cluster.hub} on ${cluster.host} has read its files.`).waitFor();
    const reader = await fetch(`${two.url}/v1/events?channel=orders.1`, {
      headers: { authorization: `Bearer ${one.key}`, accept: 'text/event-stream' },
    });
    onTestFinished(() => reader.body?.cancel());
    const { page: sessions } = await open(one, '#/sessions?channel=orders.1');
    const placed = async (): Promise<number> => {
      await sessions.getByRole('button', { name: 'Refresh' }).click();
      return sessions.getByText(`at the hub ${cluster.hub}`).count();
    };
    // A refresh ends the one before: it has a second to be answered.
    await expect.poll(placed, { ...PATIENCE, interval: 1000 }).toBe(1);
    expect(errors).toEqual([]);
  });

  test('a hub and a broker that are lost are said first, with what to do, and after them that nobody can log in', async () => {
    const { page } = await open(one, '#/cluster');
    await page.getByText('Everything is well').waitFor();
    await two.stop();
    const unhealthy = page.getByRole('list', { name: 'Unhealthy' });
    const findings = (): Promise<readonly string[]> => unhealthy.getByRole('listitem').allTextContents();
    await expect.poll(findings, PATIENCE).toEqual([expect.stringMatching(/^WatchThe hub .* not been heard.*Start it/)]);
    expect((await rowsOf(page, 'Hubs')).filter((row) => row.includes('gone'))).toHaveLength(1);
    const leader = await leaderOf(brokers);
    const follower = brokers.brokers.find((broker) => broker !== leader);
    await follower?.end('SIGKILL');
    await expect
      .poll(findings, PATIENCE)
      .toEqual(expect.arrayContaining([expect.stringContaining(`The broker ${follower?.name} does not answer`)]));
    expect(await page.locator('main > *:not(header)').first().getAttribute('aria-label')).toBe('Unhealthy');
    await checkSmallAndDark(page);
    await brokers.end();
    await page.getByText('The hub that answers is cut off from the brokers').waitFor();
    // The values that were read last stay.
    expect(await rowsOf(page, 'Hubs')).toHaveLength(2);
  });

  test('a hub without a cluster has no such page in its navigation, and says so at its address', async () => {
    const hub = await startConsoleHub('dev');
    onTestFinished(() => hub.stop());
    const { page } = await openConsole(browser, hub, '#/cluster');
    onTestFinished(() => page.context().close());
    await page.getByText('This hub is not a part of a cluster.').waitFor();
    expect(await page.getByRole('navigation').getByRole('link', { name: 'Cluster' }).count()).toBe(0);
    expect(await page.getByRole('navigation').getByRole('link', { name: 'Settings' }).count()).toBe(1);
  });
});

interface StatusAnswer {
  readonly cluster: { readonly hub: string; readonly host: string };
}

/** The status of a hub whose first key another hub made. */
async function statusOf({ url }: ConsoleHub, key: string): Promise<StatusAnswer> {
  const response = await fetch(`${url}/v1/status`, { headers: { authorization: `Bearer ${key}` } });
  return (await response.json()) as StatusAnswer;
}

function isEqualHub(row: string): boolean {
  return row.includes('answers') && row.includes('equal');
}

function rowsOf(page: Page, table: string): Promise<readonly string[]> {
  return page.getByRole('region', { name: table }).locator('tbody tr').allTextContents();
}
