import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openBundle } from './bundler.ts';

test.each([
  ['a package', "import { x } from 'no-such-package'; console.log(x);", 'no-such-package'],
  ['a package that is loaded late', "export const load = () => import('no-such-package');", 'no-such-package'],
  ['a file', "import './no-such-file.ts';", './no-such-file.ts'],
])('a build fails if it does not find %s, and names it and the importer', async (_name, source, missing) => {
  const folder = await mkdtemp(join(tmpdir(), 'polycast-bundler-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'importer.ts'), source);
  const bundle = await openBundle({ input: join(folder, 'importer.ts') });
  onTestFinished(() => bundle.close());
  const building = bundle.generate({ format: 'esm' });
  await expect(building).rejects.toThrow(missing);
  await expect(building).rejects.toThrow('importer.ts');
});

test('a module that is named as external stays an import', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'polycast-bundler-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'importer.ts'), "import 'no-such-package'; import 'node:fs';");
  const bundle = await openBundle({ input: join(folder, 'importer.ts'), external: ['no-such-package', /^node:/] });
  onTestFinished(() => bundle.close());
  const { output } = await bundle.generate({ format: 'esm' });
  expect(output[0].imports).toContain('no-such-package');
});
