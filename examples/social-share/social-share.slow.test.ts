import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect } from '@polycast/client';
import { until } from '../../conformance/kit/wait.ts';
import { startExample, type RunningExample } from '../kit/start-example.ts';
import { openPage, overflow, startBrowser } from '../kit/testing/browser.ts';
import { count, milliseconds, percentile, recordMeasurements, type Row } from '../kit/testing/measurements.ts';

const NETWORKS = ['chirper', 'pixagram', 'linkboard'];
let example: RunningExample;
let browser: Browser;

beforeAll(async () => {
  [example, browser] = await Promise.all([startExample('social-share'), startBrowser()]);
});

afterAll(async () => {
  await browser.close();
  await example.stop();
});

test("a killed worker's job is done by another, and posted once; a network that is down becomes a failure", async () => {
  const { page, errors } = await openPage(browser, example.url);
  await setFault('pixagram', 'fails');
  await setFault('linkboard', 'hangs');
  await share(page, 'first');
  await until('linkboard has the post, and has not answered', async () => (await postsOf('first', 'linkboard')) === 1);
  let killed = '';
  // Not always of the first attempt: a worker that stands still for two seconds loses its lease.
  await until('the page names the worker', async () => {
    [, killed = ''] = /attempt \d, (worker-\d)/.exec(await rowOf(page, 'linkboard')) ?? [];
    return killed !== '';
  });
  await setFault('linkboard', 'none');
  await example.part(killed).kill('SIGKILL');
  await until('another worker has done it', async () => /done\s+attempt [23]/.test(await rowOf(page, 'linkboard')));
  expect(await rowOf(page, 'linkboard')).not.toContain(killed);
  await until('pixagram is given up', async () => /failed\s+given up after 3/.test(await rowOf(page, 'pixagram')));
  await until('chirper has it', async () => (await rowOf(page, 'chirper')).includes('done'));
  expect(await Promise.all(NETWORKS.map((network) => postsOf('first', network)))).toEqual([1, 0, 1]);
  await example.part(killed).start();
  await setFault('pixagram', 'none');
  expect(errors).toEqual([]);
});

test('a reloaded page shows the same job, by short poll too; a refused post fails at once', async () => {
  const { page } = await openPage(browser, example.url, { width: 390, colorScheme: 'dark' });
  await page.check('input[value="short-poll"]');
  await share(page, 'spam');
  for (const network of NETWORKS)
    await until(`${network} has refused it`, async () => (await rowOf(page, network)).includes('does not want this'));
  await page.reload();
  await until('the page shows it again', async () => (await rowOf(page, 'chirper')).includes('failed'));
  expect(await overflow(page)).toBe(0);
});

test('a network that limits gets every post in the end', async () => {
  await setFault('chirper', 'limits');
  const texts = ['one', 'two', 'three'];
  for (const text of texts) await post(text, ['chirper']);
  for (const text of texts) await until(`${text} is posted`, async () => (await postsOf(text, 'chirper')) === 1);
  await setFault('chirper', 'none');
});

const POSTS = process.env['MEASURE'] === undefined ? 5 : 30;

test('what it costs to follow a job', async () => {
  const rows: Row[] = [];
  for (const transport of ['sse', 'short-poll'] as const) rows.push({ transport, ...(await follow(transport)) });
  recordMeasurements(import.meta.dirname, rows);
});

/** Shares posts one after the other, each followed by a client of its own until all is done. */
async function follow(transport: 'sse' | 'short-poll'): Promise<Row> {
  const delaysMs: number[] = [];
  const isRead = ({ url }: { url?: string | undefined }): boolean => url?.startsWith('/v1/events') === true;
  const before = example.front.traffic(isRead);
  for (let index = 0; index < POSTS; index++) {
    const id = await post(`${transport} ${index}`, NETWORKS);
    const connection = connect(example.url, { transports: [transport], pollIntervalMs: 1000 });
    const done = new Set<string>();
    connection.subscribe<{ network: string; state: string }>(
      `posts.${id}`,
      ({ data, time }) => {
        delaysMs.push(Date.now() - Date.parse(time));
        if (data.state === 'done') done.add(data.network);
      },
      { after: 'earliest' },
    );
    // A worker that has lost its lease says it a second time.
    await until('all networks have it', () => done.size === NETWORKS.length);
    connection.close();
  }
  const { requests, bytes } = example.front.traffic(isRead);
  return {
    'delay p50': milliseconds(percentile(delaysMs, 0.5)),
    'delay p99': milliseconds(percentile(delaysMs, 0.99)),
    'requests per post': ((requests - before.requests) / POSTS).toFixed(1),
    'bytes per post': count((bytes - before.bytes) / POSTS),
  };
}

async function share(page: Page, text: string): Promise<void> {
  await page.fill('textarea', text);
  await page.click('#share button');
}

async function post(text: string, networks: readonly string[]): Promise<string> {
  const answer = await send('/api/posts', { text, networks });
  return ((await answer.json()) as { id: string }).id;
}

async function setFault(network: string, fault: string): Promise<void> {
  await send(`/api/networks/${network}/faults`, { fault });
}

async function send(path: string, body: object): Promise<Response> {
  const headers = { 'Content-Type': 'application/json' };
  const answer = await fetch(example.url + path, { method: 'POST', headers, body: JSON.stringify(body) });
  expect(answer.ok).toBe(true);
  return answer;
}

/** How often a network has a post. */
async function postsOf(text: string, network: string): Promise<number> {
  const answer = await fetch(`${example.url}/api/networks`);
  const { posts } = (await answer.json()) as { posts: { network: string; text: string }[] };
  return posts.filter((each) => each.network === network && each.text === text).length;
}

/** The line of a network on the page; empty while there is none. */
async function rowOf(page: Page, network: string): Promise<string> {
  const rows = await page.locator('#jobs li').allInnerTexts();
  return rows.find((text) => text.startsWith(network)) ?? '';
}
