import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as yaml from 'yaml';
import { parseConfig } from '../../packages/server/src/config/parse.ts';
import { startHub, type Hub } from '../../packages/server/src/main.ts';
import { nameOf, readPages, type Block } from './blocks.ts';
import { PageRun } from './page-run.ts';
import { scriptsOf, typeCheck } from './type-check.ts';

const ROOT = join(import.meta.dirname, '../..');
const pages = readPages(ROOT);

/** Drawings, excerpts of the wire, and blocks that other tests run (proxies.test.ts). */
const CHECKED_ELSEWHERE = new Set(['mermaid', 'text', 'nginx', 'caddy']);

test('the scripts on all pages pass the type check', () => {
  const all = [...pages.values()].map((blocks) => scriptsOf(blocks));
  expect(typeCheck(new Map(all.flatMap((scripts) => [...scripts])))).toBe('');
});

describe.each([...pages])('%s', (page, blocks) => {
  const checked = blocks.filter(({ language, marks }) => !CHECKED_ELSEWHERE.has(language) || marks.length > 0);
  if (checked.length === 0) return test('contains no code', () => expect(checked).toEqual([]));

  const scripts = scriptsOf(blocks);
  const folder = join(ROOT, '.cache/docs', page.replaceAll(/\W/g, '-'));
  let hub: Hub;
  let run: PageRun;

  beforeAll(async () => {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    const data = join(folder, 'var/lib/polycast');
    hub = await startHub(parseConfig({ ...configurationOf(blocks), ...FOR_TESTS, data }));
    run = new PageRun(hub.url, folder);
  });

  afterAll(async () => {
    run.close();
    await hub.close();
  });

  for (const block of checked) test(nameOf(block), () => check(block, run, scripts.get(block)));
});

const FOR_TESTS = {
  listen: '127.0.0.1:0',
  data: ':memory:',
  access: 'loopback',
  tls: {},
  logging: { level: 'silent' },
};

async function check(block: Block, run: PageRun, script: string | undefined): Promise<void> {
  const { language, text, marks, notRun, file } = block;
  if (file !== undefined) run.write(file, text);
  if (marks.includes('prints')) return run.prints(text);
  if (marks.includes('meanwhile')) return run.meanwhile(text);
  switch (language) {
    case 'sh':
      return notRun === undefined ? run.run(block, text) : checkSyntax(text);
    case 'js':
    case 'ts':
      return marks.includes('runs') || marks.includes('stays') ? run.run(block, script as string) : undefined;
    case 'html':
      return;
    case 'json':
      expect(JSON.parse(text)).toBeDefined();
      return;
    case 'yaml':
      if (notRun === undefined) parseConfig(yaml.parse(text));
      else expect(yaml.parse(text)).toBeTypeOf('object');
      return;
    default:
      expect(notRun, `nobody knows how to check a block of "${language}"; say why it is not run`).toBeDefined();
  }
}

function checkSyntax(text: string): void {
  const { status, stderr } = spawnSync('bash', ['-n'], { input: text, encoding: 'utf8' });
  expect(stderr).toBe('');
  expect(status).toBe(0);
}

function configurationOf(blocks: readonly Block[]): object {
  const block = blocks.find(({ marks }) => marks.includes('configures'));
  return block === undefined ? {} : (yaml.parse(block.text) as object);
}
