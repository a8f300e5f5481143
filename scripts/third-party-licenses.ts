import { globSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Packages whose code is in the built pages. */
const IN_PAGES = ['preact', 'uplot', 'vue', 'vitepress'];
const INSTALLED = join(import.meta.dirname, '../node_modules');

/**
 * The licenses of packages whose code is inside built modules and pages. They require that their
 * text goes with each copy, and a bundle has no comments. Source maps name the files of a module.
 */
export function thirdPartyLicenses(folder: string): string {
  const roots = new Set(
    globSync('**/*.js.map', { cwd: folder }).flatMap((path) => {
      const { sources } = JSON.parse(readFileSync(join(folder, path), 'utf8')) as {
        readonly sources: readonly string[];
      };
      return sources.flatMap((source) => packageRoot(join(folder, dirname(path), source)) ?? []);
    }),
  );
  const sections = [...roots, ...IN_PAGES.map((name) => join(INSTALLED, name))].map(section).toSorted();
  return ['# Licenses of the packages that are inside this one\n', ...sections].join('\n');
}

const PACKAGE_ROOT = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/;

function packageRoot(path: string): string | undefined {
  return PACKAGE_ROOT.exec(path)?.[0];
}

function section(root: string): string {
  const { name, version, license } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    readonly name: string;
    readonly version: string;
    readonly license: string;
  };
  const file = readdirSync(root).find((each) => /^licen[cs]e/i.test(each));
  const text = file === undefined ? '' : readFileSync(join(root, file), 'utf8').trim();
  return `## ${name} ${version} (${license})\n\n${text}\n`;
}
