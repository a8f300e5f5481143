import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { deadLinks } from './dead-links.ts';

test('a link to a missing page, file or anchor is dead; others are not', () => {
  const folder = siteOf({
    'index.html':
      '<a href="/docs/guides/keys">keys</a> <a href="guides/keys#rotate">rotate</a> <img src="/docs/no.svg">',
    'guides/keys.html':
      '<h2 id="rotate">Rotate</h2> <a href="#rotate">here</a> <a href="#revoke">gone</a> <a href="./tokens">gone</a> <a href="/docs/">home</a> <a href="https://other.example/x">other</a>',
  });
  expect(deadLinks(folder, '/docs/')).toEqual([
    'guides/keys.html: #revoke',
    'guides/keys.html: ./tokens',
    'index.html: /docs/no.svg',
  ]);
});

function siteOf(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'polycast-site-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}
