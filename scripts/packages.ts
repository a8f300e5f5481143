import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildClientModules } from '../packages/client/build.ts';
import { buildReactModule } from '../packages/react/build.ts';
import { buildServer, EXTERNAL } from '../packages/server/build.ts';
import { OLDEST_NODE } from '../packages/server/src/platform/node-version.ts';
import { ASSETS } from '../packages/server/src/platform/package-files.ts';
import { writeClientDeclarations, writeReactDeclarations } from './declarations.ts';
import { thirdPartyLicenses } from './third-party-licenses.ts';

/**
 * The packages as npm publishes them. The folder `dist` of each is a complete package with a
 * manifest of its own, so `npm publish packages/server/dist` needs no other step. Other packages
 * of the repository are inside the server and the client.
 */
const PACKAGES = join(import.meta.dirname, '../packages');

/** The published packages: the folder of each. */
export const PUBLISHED: Readonly<Record<'server' | 'client' | 'react', string>> = {
  server: join(PACKAGES, 'server/dist'),
  client: join(PACKAGES, 'client/dist'),
  react: join(PACKAGES, 'react/dist'),
};

/** The licenses of bundled packages. */
const LICENSES = 'LICENSES-OF-DEPENDENCIES.md';

interface Manifest {
  readonly exports?: Readonly<Record<string, string>>;
  readonly bin?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: object;
}

/** Builds all packages. The files for browsers must exist: `scripts/build.ts` builds them first. */
export async function buildPackages(): Promise<void> {
  await buildClientPackage(PUBLISHED.client);
  await buildReactPackage(PUBLISHED.react);
  await buildServerPackage(PUBLISHED.server);
}

async function buildServerPackage(folder: string): Promise<void> {
  const { exports: _, ...manifest } = startPackage('server', folder);
  await buildServer(join(folder, 'lib'));
  writeFileSync(join(folder, LICENSES), thirdPartyLicenses(join(folder, 'lib')));
  for (const [name, built] of Object.entries(ASSETS))
    cpSync(join(PACKAGES, built), join(folder, 'assets', name), { recursive: true });
  cpSync(join(PACKAGES, '../operate'), join(folder, 'operate'), { recursive: true });
  const external = Object.entries(manifest.dependencies ?? {}).filter(([name]) => EXTERNAL.includes(name));
  writeManifest(folder, {
    ...manifest,
    bin: { polycast: 'lib/polycast.js' },
    // operate: the unit, the container files and the rules of alerts, for operators.
    files: ['lib', 'assets', 'operate', LICENSES],
    // The package is a command. It has no module for others.
    exports: { './package.json': './package.json' },
    dependencies: Object.fromEntries(external),
  });
}

async function buildClientPackage(folder: string): Promise<void> {
  const { exports = {}, ...manifest } = startPackage('client', folder);
  const lib = join(folder, 'lib');
  const modules = Object.values(exports).map((source) => source.slice('./src/'.length, -'.ts'.length));
  writeClientDeclarations(modules, lib);
  await buildClientModules(modules, lib);
  const paths = Object.keys(exports).map((name, index) => [name, exported(`./lib/${modules[index]}`)] as const);
  const forBrowsers = BROWSER_MODULES.map(([name, file, types]) => [
    `./browser${name}`,
    exported(`./lib/browser/${file}`, `./lib/${types}`),
  ]);
  writeManifest(folder, {
    ...manifest,
    files: ['lib'],
    exports: { ...Object.fromEntries([...paths, ...forBrowsers]), './package.json': './package.json' },
  });
}

async function buildReactPackage(folder: string): Promise<void> {
  const manifest = startPackage('react', folder);
  writeReactDeclarations(join(folder, 'lib'));
  await buildReactModule(join(folder, 'lib'));
  writeManifest(folder, {
    ...manifest,
    files: ['lib'],
    exports: { '.': exported('./lib/index'), './package.json': './package.json' },
  });
}

/**
 * Modules that a page imports without a build step, as a hub serves them. Each has its name after
 * `browser`, its file, and the module with the same types.
 */
const BROWSER_MODULES = [
  ['', 'client', 'index'],
  ['/presence', 'client/presence', 'presence'],
  ['/tabs', 'client/tabs', 'tabs'],
  ['/outbox', 'client/outbox', 'outbox'],
] as const;

function exported(code: string, types: string = code): object {
  return { types: `${types}.d.ts`, default: `${code}.js` };
}

/** Empties the folder, and returns the manifest without what only the repository needs. */
function startPackage(name: string, folder: string): Omit<Manifest, 'devDependencies'> {
  const source = join(PACKAGES, name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, 'lib'), { recursive: true });
  cpSync(join(PACKAGES, '../LICENSE'), join(folder, 'LICENSE'));
  writeFileSync(join(folder, 'README.md'), withoutOuterLinks(readFileSync(join(source, 'README.md'), 'utf8')));
  const { devDependencies: _, ...manifest } = JSON.parse(
    readFileSync(join(source, 'package.json'), 'utf8'),
  ) as Manifest;
  return manifest;
}

/** A published page has no neighbours: of a link out of the package, the text stays. */
function withoutOuterLinks(page: string): string {
  return page.replaceAll(/\[([^\]]+)\]\(\.\.\/[^)]*\)/g, '$1');
}

/**
 * `engines` is only in published manifests: in the repository npm would compare it with
 * its own Node.
 */
function writeManifest(folder: string, manifest: object): void {
  const published = { ...manifest, engines: { node: `>=${OLDEST_NODE}` }, publishConfig: { access: 'public' } };
  writeFileSync(join(folder, 'package.json'), JSON.stringify(published, undefined, 2) + '\n');
}
