import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Block } from './blocks.ts';

const ROOT = join(import.meta.dirname, '../..');

/** A script in the form for the type check: `/client.js` of the hub is the client's package. */
export function scriptsOf(blocks: readonly Block[]): ReadonlyMap<Block, string> {
  const scripts = new Map<Block, string>();
  let last = '';
  for (const block of blocks) {
    const text = scriptIn(block);
    if (text === undefined) continue;
    last = block.marks.includes('continues') ? last + text : text;
    scripts.set(block, last.replaceAll(/'(?:https?:\/\/[^/']+)?\/client(\/\w+)?\.js'/g, "'@polycast/client$1'"));
  }
  return scripts;
}

function scriptIn({ language, text, marks, excerpt }: Block): string | undefined {
  if (excerpt !== undefined || marks.includes('foreign')) return undefined;
  if (language === 'js' || language === 'ts') return text;
  if (language !== 'html') return undefined;
  return [...text.matchAll(/<script[^>]*>([^]*?)<\/script>/g)].map(([, script]) => script).join('\n');
}

/** The compiler's errors in these scripts, each with the place of its block; '' without any. */
export function typeCheck(scripts: ReadonlyMap<Block, string>): string {
  const folder = join(ROOT, '.cache/docs/types');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const [{ page, line, language }, text] of scripts) {
    const name = `${page.replaceAll('/', '_')}_${line}.${language === 'ts' ? 'ts' : 'js'}`;
    writeFileSync(join(folder, name), `${text}\nexport {};\n`);
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(PROJECT));
  const { stdout } = spawnSync('tsc', ['-p', folder], { cwd: ROOT, encoding: 'utf8', env: ENVIRONMENT });
  // Errors in the client itself are found by its own check.
  return stdout
    .split('\n')
    .filter((line) => line.startsWith('.cache/docs/'))
    .join('\n');
}

const ENVIRONMENT = { ...process.env, PATH: `${join(ROOT, 'node_modules/.bin')}:${process.env['PATH']}` };

/** Pages show scripts of browsers and of Node. */
const PROJECT = {
  extends: '../../../tsconfig.base.json',
  compilerOptions: {
    lib: ['ES2024', 'ESNext.Disposable', 'DOM', 'DOM.Iterable'],
    types: ['node'],
    allowJs: true,
    checkJs: true,
    // A page is easier to read without annotations.
    noImplicitAny: false,
    isolatedDeclarations: false,
    declaration: false,
  },
  include: ['*.ts', '*.js'],
};
