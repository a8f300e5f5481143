import { existsSync, globSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';
import { blocksOf } from '../../scripts/docs/blocks.ts';
import { parseModule, resolveRelative } from '../../scripts/tidy/modules.ts';
import { EXAMPLES, exampleNames, loadExample } from './example.ts';

/** The rules that each example obeys (examples/README.md). */
const LINES_MAX = 400;
const LINES_MAX_OF: Readonly<Record<string, number>> = { 'order-status': 150 };
/**
 * The application is in folders; the test, the configuration and the load of the measurements are
 * beside them. `comparison/` and `testing/` are no part of it.
 */
const NOT_CODE = /\.(?:css|svg|png|md|test\.tsx?)$/;
const NOT_APPLICATION = ['comparison', 'testing'];
const HEADINGS = ['The lines that matter', 'Try', 'Measured', 'In production'];
const { devDependencies } = JSON.parse(readFileSync(join(EXAMPLES, 'package.json'), 'utf8')) as {
  readonly devDependencies: Readonly<Record<string, string>>;
};

describe.each(exampleNames())('%s', (name) => {
  const folder = join(EXAMPLES, name);
  const readme = readFileSync(join(folder, 'README.md'), 'utf8');
  const application = globSync('*/**/*', { cwd: folder, withFileTypes: true })
    .filter((entry) => entry.isFile() && !NOT_CODE.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !NOT_APPLICATION.includes(relative(folder, path).split('/')[0] ?? ''));

  test('the application is short enough to be read', () => {
    const counts = application.map((path) => [relative(folder, path), linesOf(readFileSync(path, 'utf8'))] as const);
    const sum = counts.reduce((lines, [, count]) => lines + count, 0);
    expect(sum, JSON.stringify(counts)).toBeLessThanOrEqual(LINES_MAX_OF[name] ?? LINES_MAX);
  });

  test('the application imports only what a user can install', () => {
    const foreign = application
      .filter((path) => /\.tsx?$/.test(path))
      .flatMap((path) => {
        const { imports } = parseModule(path, readFileSync(path, 'utf8'));
        return imports.filter((specifier) => !isAllowed(path, specifier, folder)).map((each) => `${path}: ${each}`);
      });
    expect(foreign).toEqual([]);
  });

  test('no request ends a service: its handler catches what it throws later', () => {
    const servers = application
      .filter((path) => relative(folder, path).startsWith('services/') && path.endsWith('.ts'))
      .map((path) => [relative(folder, path), readFileSync(path, 'utf8')] as const)
      .filter(([, source]) => /createServer\((?:async|[^;]*=> void answer)/.test(source));
    expect(servers.filter(([, source]) => !/\.catch\(|\btry \{/.test(source)).map(([path]) => path)).toEqual([]);
  });

  test('the README has its sections, the command, a diagram and the measured table', () => {
    const headings = [...readme.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading);
    expect(headings).toEqual(expect.arrayContaining(HEADINGS));
    expect(readme).toContain(`npm run example -- ${name}`);
    expect(readme).toContain('```mermaid');
    expect(readme).toContain('<!-- measured:begin -->');
  });

  test('the excerpts of the README are lines of its files, in their order', () => {
    for (const { excerpt, text, page, line } of blocksOf(`examples/${name}/README.md`, readme)) {
      if (excerpt === undefined) continue;
      const lines = readFileSync(join(folder, excerpt), 'utf8')
        .split('\n')
        .map((each) => each.trim());
      let at = 0;
      for (const shown of text
        .split('\n')
        .map((each) => each.trim())
        .filter((each) => each !== '' && each !== '…')) {
        const found = lines.indexOf(shown, at);
        expect(
          found,
          `${page}:${line} shows a line that ${excerpt} does not have here: ${shown}`,
        ).toBeGreaterThanOrEqual(0);
        at = found + 1;
      }
    }
  });

  test('it is tested, and both lists of examples have it', async () => {
    expect(existsSync(join(folder, `${name}.slow.test.ts`))).toBe(true);
    expect(readFileSync(join(EXAMPLES, 'README.md'), 'utf8')).toContain(`](${name}/README.md)`);
    const { summary, services, routes = {} } = await loadExample(name);
    expect(summary).toMatch(/^[A-Z].+\.$/);
    expect(Object.keys(services)).toEqual(expect.arrayContaining(Object.values(routes)));
  });
});

/** Lines that are neither blank nor comments. */
function linesOf(source: string): number {
  const code = source.replaceAll(/<!--[^]*?-->|^\s*\/\*[^]*?\*\/$/gm, '');
  return code.split('\n').filter((line) => !/^\s*(?:$|\/\/|#(?!include|define))/.test(line)).length;
}

function isAllowed(path: string, specifier: string, folder: string): boolean {
  const target = resolveRelative(path, specifier);
  if (target !== undefined) return target.startsWith(`${folder}/`);
  const [scope = '', name = ''] = specifier.split('/');
  const packageName = scope.startsWith('@') ? `${scope}/${name}` : scope;
  return isBuiltin(specifier) || devDependencies[packageName] !== undefined;
}
