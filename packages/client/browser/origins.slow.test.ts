import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { buildClient } from '../build.ts';
import { startTestHub, type TestHub } from '../src/testing/hub.ts';
import { contextForTest, launch } from './browser.ts';

/** Pages that the hub does not serve: a file, a page of another port, and a sandboxed frame. */

let browser: Browser;
let dev: TestHub;
let served: TestHub;
beforeAll(async () => {
  await buildClient();
  [browser, dev, served] = await Promise.all([launch(), startTestHub({ command: 'dev' }), startTestHub()]);
});
afterAll(async () => {
  await Promise.all([browser.close(), dev.kill(), served.kill()]);
});

describe('the page of the README, unchanged, with a hub of `polycast dev`', () => {
  test('works when it is opened from a file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'polycast-page-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    await writeFile(join(folder, 'page.html'), readmePage(dev));
    await shows(dev, await open(`file://${folder}/page.html`));
  });

  test.each(['localhost', '127.0.0.1', 'shop.localhost'])('works when http://%s:PORT serves it', async (host) => {
    await shows(dev, await open(`http://${host}:${await serve(readmePage(dev))}/`));
  });
});

test('a sandboxed frame, whose origin is that of a file, reads events of `dev`, and can neither administer nor send', async () => {
  const script = `Promise.all(['/v1/events?channel=a', '/v1/subscriptions', '/v1/users/ada', '/lab/wires', '/openapi.json']
    .map((path) => fetch('${dev.url}' + path).then((answer) => answer.status, String)))
    .then((statuses) => parent.postMessage(statuses, '*'))`;
  const frame = `<iframe sandbox="allow-scripts" srcdoc="<script>${script.replaceAll('"', '&quot;')}</script>"></iframe>`;
  const page = await open(
    `http://localhost:${await serve(`<script>onmessage = ({ data }) => (window.got = data)</script>${frame}`)}/`,
  );
  await page.waitForFunction(() => 'got' in window);
  expect(await page.evaluate(() => (window as unknown as { got: unknown }).got)).toEqual([200, 403, 403, 403, 403]);
});

test('in a sandboxed frame, which may not store anything, the SDK, its tabs and its outbox work', async () => {
  const script = `
    import { connect } from '${dev.url}/client.js';
    import { shareTabs } from '${dev.url}/client/tabs.js';
    import { createOutbox } from '${dev.url}/client/outbox.js';
    const tell = (text) => parent.postMessage(text, '*');
    addEventListener('error', ({ message }) => tell(message));
    addEventListener('unhandledrejection', ({ reason }) => tell(String(reason)));
    for (const options of [{}, { remember: 'cursors' }, { share: shareTabs() }])
      connect('${dev.url}', options).subscribe('a', ({ data }) => tell(Object.keys(options) + data), { after: 'earliest' });
    const onChange = ({ length }) => length === 0 && tell('sent');
    createOutbox(connect('${dev.url}'), 'notes', { onChange }).publish('b', 1);`;
  await dev.publish('a', '!');
  const frame = `<iframe sandbox="allow-scripts" srcdoc="<script type=module>${script.replaceAll('"', '&quot;')}</script>"></iframe>`;
  const listener = '<script>got = []; onmessage = ({ data }) => got.push(data)</script>';
  const page = await open(`http://localhost:${await serve(listener + frame)}/`);
  const got = (): Promise<string[]> => page.evaluate(() => (window as unknown as { got: string[] }).got.toSorted());
  await expect.poll(got).toEqual(['!', 'remember!', 'sent', 'share!']);
});

test.each([{}, { token: 'x'.repeat(20) }, { credentials: 'include' }])(
  'the SDK reports a page that `serve` does not allow, and stops: %j',
  async (options) => {
    const script = `import * as client from '${served.url}/client.js'; Object.assign(window, { client })`;
    const page = await open(`http://localhost:${await serve(`<script type="module">${script}</script>`)}/`);
    await page.waitForFunction(() => window.client !== undefined);
    const reported = await page.evaluate(
      async ([url, options]) => {
        const hub = window.client.connect(url, options as object);
        const refused = new Promise((resolve) =>
          hub.on('error', ({ error }) => resolve((error as { code?: string }).code)),
        );
        hub.subscribe('a', () => undefined);
        return [await refused, hub.state.state, hub.state.error?.code];
      },
      [served.url, options] as const,
    );
    expect(reported).toEqual(['origin_not_allowed', 'closed', 'origin_not_allowed']);
    // A request with a preflight is refused with a readable error, except one with cookies.
    if ('credentials' in options) return;
    const publishing = page.evaluate(
      ([url, options]) =>
        window.client
          .connect(url, options as object)
          .publish('a', 1)
          .catch(({ code }: { code: string }) => code),
      [served.url, options] as const,
    );
    expect(await publishing).toBe('origin_not_allowed');
  },
);

/** The first HTML page in the README, with the address of this hub. */
function readmePage({ url }: TestHub): string {
  const readme = readFileSync(join(import.meta.dirname, '../../../README.md'), 'utf8');
  const [, page = ''] = /```html\n([^`]+)```/.exec(readme) ?? [];
  return page.replaceAll('http://127.0.0.1:7400', url);
}

async function shows(hub: TestHub, page: Page): Promise<void> {
  // It begins with new events, so the test publishes until the page shows one.
  await expect
    .poll(async () => {
      await hub.publish('orders.7', { state: 'baked' });
      return page.textContent('body');
    })
    .toContain('{"state":"baked"}');
}

async function open(url: string): Promise<Page> {
  const page = await (await contextForTest(browser)).newPage();
  await page.goto(url);
  return page;
}

async function serve(html: string): Promise<number> {
  const server = createServer((_request, response) => response.setHeader('Content-Type', 'text/html').end(html));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close().closeAllConnections());
  return (server.address() as AddressInfo).port;
}
