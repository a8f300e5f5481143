import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import * as yaml from 'yaml';
import { unusedPort } from '../unused-port.ts';
import { parseConfig } from '../../packages/server/src/config/parse.ts';
import { startHub } from '../../packages/server/src/main.ts';
import type { Block } from './blocks.ts';
import { PageRun, SHOWN_PORTS } from './page-run.ts';

const ROOT = join(import.meta.dirname, '../..');

const FOR_TESTS = {
  listen: '127.0.0.1:0',
  data: ':memory:',
  access: 'loopback',
  tls: {},
  logging: { level: 'silent' },
};

/** A page with its hub, and the folder in which its commands run. */
export interface OpenPage {
  readonly run: PageRun;
  close(): Promise<void>;
}

/** @param name names the folder: two runs of one page may happen at the same time */
export async function openPage(name: string, blocks: readonly Block[]): Promise<OpenPage> {
  const folder = join(ROOT, '.cache/docs', name.replaceAll(/\W/g, '-'));
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const data = join(folder, 'var/lib/polycast');
  const hub = await startHub(parseConfig({ ...configurationOf(blocks), ...FOR_TESTS, data }));
  const ports = new Map<string, number>();
  for (const shown of SHOWN_PORTS) ports.set(shown, await unusedPort());
  const run = new PageRun(hub.url, folder, ports);
  return {
    run,
    close() {
      run.close();
      return hub.close();
    },
  };
}

/** Drawings, excerpts, and blocks that other tests run (proxies.test.ts). */
export function isCheckedElsewhere({ language, marks, excerpt }: Block): boolean {
  if (excerpt !== undefined) return true;
  return ['mermaid', 'text', 'nginx', 'caddy'].includes(language) && marks.length === 0;
}

/** Does with a block what its language and its marks say. */
export async function check(block: Block, run: PageRun, script: string | undefined): Promise<void> {
  const { language, text, marks, notRun, file } = block;
  if (file !== undefined) run.write(file, text);
  if (marks.includes('prints')) return run.prints(text);
  if (marks.includes('meanwhile')) return run.meanwhile(text);
  switch (language) {
    case 'sh':
      return notRun === undefined ? void (await run.run(block, text)) : checkSyntax(text);
    case 'js':
    case 'ts':
      if (marks.includes('runs') || marks.includes('stays')) await run.run(block, script as string);
      return;
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
