import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

/** The versions on the page are those of the manifests from which the tests install. */
const ROOT = join(import.meta.dirname, '../..');
const CLIENTS = readFileSync(join(ROOT, 'docs/guides/clients.md'), 'utf8');
const THIRD_PARTY = 'conformance/third-party';

/** `LIBRARY` of a language -> its versions. */
const installed = new Map<string, string[]>();
for (const file of ['conformance/package.json', `${THIRD_PARTY}/npm/package.json`]) {
  const { dependencies = {}, devDependencies = {} } = JSON.parse(textOf(file)) as Manifest;
  for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies }))
    add('JavaScript', name, version.replace('^', ''));
}
for (const [, name = '', version = ''] of textOf(`${THIRD_PARTY}/python/requirements.txt`).matchAll(/^(\S+)==(\S+)$/gm))
  add('Python', name, version);
for (const [, path = '', version = ''] of textOf(`${THIRD_PARTY}/go/go.mod`).matchAll(/^\t(\S+) v(\S+)$/gm))
  add('Go', path.replace(/^github\.com\//, '').replace(/\/v\d+$/, ''), version.replace(/^0\.0\.0-\d+-/, ''));
for (const [, group = '', name = '', version = ''] of textOf(`${THIRD_PARTY}/java/pom.xml`).matchAll(
  /<groupId>(\S+)<\/groupId><artifactId>(\S+)<\/artifactId><version>(\S+)<\/version>/g,
)) {
  add('Java', name, version);
  add('Java', group, version);
}

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

/** Libraries of a language, a browser or the system. */
const BUILT_IN = /^`(?:EventSource|WebSocket)` of (?:Chromium|undici and of Node)$|^`java\.net\.http\.HttpClient`$/;

const rows = [...CLIENTS.matchAll(/^\| (?<language>[\w ]+) \| (?<library>`[^|]+?) \| (?<versions>[^|]+?) \|/gm)]
  .map(({ groups }) => groups as { language: string; library: string; versions: string })
  .filter(({ library }) => !BUILT_IN.test(library));

test('the page names every library', () => {
  expect(rows.length).toBeGreaterThan(30);
});

describe.each(rows)('$language $library $versions', ({ language, library, versions }) => {
  const name = /of (undici)$/.exec(library)?.[1] ?? /^`([^`]+)`/.exec(library)?.[1] ?? '';
  const found = installed.get(`${language} ${name}`) ?? installed.get(`${language} ${goName(name)}`);

  test('matches the manifests', () => {
    for (const shown of versions.split(', '))
      expect(
        found?.some((version) => version === shown || version.startsWith(`${shown}.`)),
        `${String(found)} is installed`,
      ).toBe(true);
  });
});

/** The page names a Go library by its repository; the manifest names the folder in it. */
function goName(name: string): string {
  return name.replace('standard-webhooks/libraries', 'standard-webhooks/standard-webhooks/libraries');
}

function add(language: string, name: string, version: string): void {
  const key = `${language} ${name}`;
  installed.set(key, [...(installed.get(key) ?? []), version]);
}

function textOf(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8');
}
