import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { build } from 'vitepress';
import { homePage } from './stage/home.ts';
import { llmsFullText, llmsText } from './stage/llms.ts';
import { pageForPrograms, pageForSite, publicPath, type Site } from './stage/markdown.ts';
import { readPages, ROOT, type Page } from './stage/pages.ts';
import { BASE, OUTPUT, STAGED } from './stage/places.ts';
import { sectionsOf } from './stage/sidebar.ts';
import { deadLinks } from './stage/dead-links.ts';

/**
 * Builds the site into `generated/`, from where the hub serves it at `/docs`.
 * @throws Error that lists each link to a page or an anchor that does not exist
 */
export async function buildDocs(): Promise<void> {
  stage();
  await build(import.meta.dirname);
  const dead = deadLinks(OUTPUT, BASE);
  if (dead.length > 0) throw new Error(`links to nowhere:\n${dead.join('\n')}`);
}

/** Writes the Markdown that VitePress reads, and the files that the site has beside its pages. */
function stage(): void {
  rmSync(STAGED, { recursive: true, force: true });
  const site: Site = { pages: readPages(), files: new Set() };
  const publicFolder = join(STAGED, 'public');
  for (const page of site.pages.values()) {
    const text = pageForSite(page, site);
    write(join(STAGED, `${page.address}.md`), page.address === 'index' ? homePage(text) : text);
    write(join(publicFolder, `${page.address}.md`), pageForPrograms(page, site, BASE));
  }
  const sections = sectionsOf(site.pages);
  const textOf = (page: Page): string => pageForPrograms(page, site, BASE);
  write(join(publicFolder, 'llms.txt'), llmsText(sections, BASE));
  write(join(publicFolder, 'llms-full.txt'), llmsFullText(sections, textOf));
  for (const file of site.files) copy(join(ROOT, file), join(publicFolder, publicPath(file)));
  copy(join(import.meta.dirname, 'public'), publicFolder);
}

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

function copy(from: string, to: string): void {
  cpSync(from, to, { recursive: true });
}

if (import.meta.main) await buildDocs();
