import { expect, test } from 'vitest';
import { diagram } from './diagrams.ts';
import { pageForPrograms, pageForSite, summaryOf, type Site } from './markdown.ts';
import type { Page } from './pages.ts';

const keys = pageOf('docs/guides/keys.md', '# Keys\n\nA key is a secret. It has scopes.\n');

test('links between files become links of the site, or of its Markdown', () => {
  const page = pageOf('docs/README.md', '# Start\n\nSee [keys](guides/keys.md#rotate) and [here](#below).\n');
  const site = siteOf(page, keys);
  expect(pageForSite(page, site)).toContain('See [keys](/guides/keys#rotate) and [here](#below).');
  expect(pageForPrograms(page, site, '/docs/')).toContain('See [keys](/docs/guides/keys.md#rotate)');
});

test('a link to a file that does not exist fails; one to code is a file of the site', () => {
  const broken = pageOf('docs/guides/a.md', '# A\n\n[gone](gone.md)\n');
  expect(() => pageForSite(broken, siteOf(broken))).toThrow('docs/guides/a.md links to gone.md');
  const toCode = pageOf('docs/guides/b.md', '# B\n\n[code](../../package.json)\n');
  const site = siteOf(toCode);
  expect(pageForSite(toCode, site)).toContain('[code](/files/package.json.txt)');
  expect([...site.files]).toEqual(['package.json']);
});

test('blocks between the comments are tabs, named after their language; comments for tests are removed', () => {
  const text =
    '# A\n\n<!-- tabs -->\n```sh\ncurl x\n```\n\n<!-- block: runs -->\n```python\nprint()\n```\n<!-- end of tabs -->\n';
  const page = pageOf('docs/a.md', text);
  expect(pageForSite(page, siteOf(page))).toBe(
    '# A\n\n::: code-group\n```sh [curl]\ncurl x\n```\n\n```python [Python]\nprint()\n```\n:::\n',
  );
  expect(pageForPrograms(page, siteOf(page), '/docs/')).not.toContain('<!--');
});

test('a link or a comment in a block of code is left as it is', () => {
  const page = pageOf('docs/a.md', '# A\n\n```md\n[x](gone.md) <!-- block: runs -->\n```\n');
  expect(pageForSite(page, siteOf(page))).toContain('[x](gone.md) <!-- block: runs -->');
});

test('the summary of a page is its first sentence', () => {
  expect(summaryOf(keys)).toBe('A key is a secret.');
});

test('a diagram has a box for each participant, and a line and an item of a list for each message', () => {
  const svg = diagram(
    'sequenceDiagram\n  participant A as Your <server>\n  A->>Hub: GET "x"\n  Hub-->>A: 200\n  Note over Hub: waits\n',
  );
  expect(svg.match(/class="actor"/g)).toHaveLength(2);
  expect(svg).toContain('Your &lt;server&gt;');
  expect(svg.match(/class="(?:request|answer)"/g)).toHaveLength(2);
  expect(svg).toContain('<li class="step-request"><b>Your &lt;server&gt; → Hub</b> GET &quot;x&quot;</li>');
  expect(svg).toContain('<li class="step-note"><b>Hub</b> waits</li>');
  expect(svg).not.toContain('style=');
});

test('a diagram with a line of another kind fails', () => {
  expect(() => diagram('sequenceDiagram\n  loop every minute\n')).toThrow('loop every minute');
});

function pageOf(source: string, markdown: string): Page {
  const address = source.replace(/^docs\//, '').replace(/\.md$/, '');
  return { source, address, title: /^# (.+)$/m.exec(markdown)?.[1] ?? '', markdown };
}

function siteOf(...pages: readonly Page[]): Site {
  return { pages: new Map(pages.map((page) => [page.source, page])), files: new Set() };
}
