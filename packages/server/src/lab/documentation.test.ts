import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { documentation } from './documentation.ts';

test('an address without an extension is a page; with .md it is the page as Markdown', async () => {
  const url = await serve({ 'index.html': 'home', 'guides/keys.html': 'a page', 'guides/keys.md': '# Keys' });
  expect(await get(`${url}/docs/`)).toMatchObject({ status: 200, text: 'home' });
  expect(await get(`${url}/docs`)).toMatchObject({ status: 200, text: 'home' });
  expect(await get(`${url}/docs/guides/keys?from=search`)).toMatchObject({ text: 'a page' });
  expect(await get(`${url}/docs/guides/keys.md`)).toMatchObject({
    text: '# Keys',
    type: 'text/markdown; charset=utf-8',
  });
});

test('each page has a policy that allows the files of the hub alone', async () => {
  const url = await serve({ 'index.html': 'home' });
  const { policy } = await get(`${url}/docs/`);
  expect(policy).toContain("default-src 'none'; script-src 'self'; style-src 'self'");
  expect(policy).not.toContain('unsafe');
});

test('an unknown page, and a path outside of the site, are answered with 404 and the page for it', async () => {
  const url = await serve({ '404.html': 'not here' });
  for (const path of ['/docs/nothing', '/docs/..%2f..%2fsecret.txt', '/docs/%00'])
    expect(await get(url + path), path).toMatchObject({ status: 404, text: 'not here' });
});

test('a site that has not been built is answered with a page that names the command', async () => {
  const url = await serve({});
  expect(await get(`${url}/docs/`)).toMatchObject({ status: 404, text: expect.stringContaining('npm run build') });
});

/** Serves these files as the built site. */
async function serve(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'polycast-docs-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(folder, 'site', path, '..'), { recursive: true });
    writeFileSync(join(folder, 'site', path), text);
  }
  writeFileSync(join(folder, 'secret.txt'), 'secret');
  const server = createServer(documentation(join(folder, 'site')));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function get(url: string): Promise<{ status: number; text: string; type: string | null; policy: string | null }> {
  const response = await fetch(url);
  const { status, headers } = response;
  return {
    status,
    text: await response.text(),
    type: headers.get('content-type'),
    policy: headers.get('content-security-policy'),
  };
}
