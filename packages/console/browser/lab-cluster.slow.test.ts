import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startLocalCluster, type LocalCluster, type Machine } from '../../../scripts/cluster/local-cluster.ts';
import { findNatsServer } from '../../../scripts/nats.ts';
import { costTable, holdKitchen, openLab, orderAtStep, slide, startBrowser } from './lab-page.ts';

/** The Lab on `npm run cluster`: lanes through the balancer, while hubs and brokers are killed. */
const natsServer = findNatsServer();
const PATIENCE = { timeout: 60_000 };
const PACE = 'Time between two states';

describe.skipIf(natsServer === undefined)('the Lab on a cluster', () => {
  let cluster: LocalCluster;
  let browser: Browser;

  beforeAll(async () => {
    const starting = startLocalCluster({ port: 0, natsServer: natsServer as string });
    [cluster, browser] = await Promise.all([starting, startBrowser()]);
  });

  afterAll(async () => {
    await browser?.close();
    await cluster?.close();
  });

  test('a hub and then a broker are killed in the middle of an order, and all lanes get all events', async () => {
    const { page, errors } = await openLab(browser, cluster.url, { reducedMotion: 'reduce' });
    const [goOn, finish] = [await holdKitchen(page, 2), await holdKitchen(page, 4)];
    const before = pidsOf([...cluster.hubs, ...cluster.brokers]);
    await slide(page, PACE, 'Home');
    await page.getByRole('button', { name: 'Order a pizza' }).press('Enter');
    await orderAtStep(page, 2);
    await page.getByRole('button', { name: 'Kill a hub' }).press('Enter');
    await page.waitForSelector('.band-kill-hub', { state: 'attached' });
    goOn();
    await orderAtStep(page, 4);
    await page.getByRole('button', { name: 'Kill a broker' }).press('Enter');
    await page.waitForSelector('.band-kill-broker', { state: 'attached' });
    finish();
    const rows = await costTable(page);
    expect(rows.slice(0, 4).map(({ events }) => events)).toEqual(['7 of 7', '7 of 7', '7 of 7', '7 of 7']);
    expect(await page.locator('.band-kill-hub').count()).toBeGreaterThan(0);
    expect(await page.locator('.band-kill-broker').count()).toBeGreaterThan(0);
    for (const machines of [cluster.hubs, cluster.brokers])
      await expect
        .poll(() => pidsOf(machines).filter((pid) => pid !== undefined && !before.includes(pid)).length, PATIENCE)
        .toBe(1);
    expect(cluster.balancer.counts.filter((count) => count > 0)).toHaveLength(3);
    expect(errors).toEqual([]);
  });

  test('it ends with all its processes, also when some have ended before', async () => {
    const machines = [...cluster.hubs, ...cluster.brokers];
    const pids = pidsOf(machines) as readonly number[];
    for (const { program } of [machines[0] as Machine, machines[3] as Machine]) await program.end('SIGKILL');
    await cluster.close();
    expect(pids.filter(isAlive)).toEqual([]);
    await expect(fetch(cluster.url)).rejects.toThrow('fetch failed');
  });
});

function pidsOf(machines: readonly Machine[]): readonly (number | undefined)[] {
  return machines.map(({ program }) => program.pid);
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
