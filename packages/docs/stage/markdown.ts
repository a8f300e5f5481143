import { existsSync, statSync } from 'node:fs';
import { join, posix } from 'node:path';
import { diagram } from './diagrams.ts';
import { linkTo, ROOT, type Page } from './pages.ts';

/** What a page's text needs from the others. */
export interface Site {
  readonly pages: ReadonlyMap<string, Page>;
  /** Files of the repository that pages show or link to. The build copies them into the site. */
  readonly files: Set<string>;
}

/**
 * A part of a page. A fence is a block of code, from its line of backquotes to the closing one; the
 * rest is prose.
 */
interface Part {
  readonly kind: 'prose' | 'fence';
  readonly text: string;
}

const FENCE = /^( *)```[^\n]*\n[^]*?^\1```$/gm;

/** The Markdown of a page as VitePress reads it: with tabs, drawings, and links of the site. */
export function pageForSite(page: Page, site: Site): string {
  const parts = partsOf(page.markdown);
  const text = parts.map(({ kind, text: part }, index) =>
    kind === 'fence' ? fence(part, tabName(parts[index - 1])) : links(methods(tabGroups(part)), page, site, linkTo),
  );
  return collapseBlankLines(text.join(''));
}

/** The Markdown of a page for programs: at the page's address with `.md`. */
export function pageForPrograms(page: Page, site: Site, base: string): string {
  const markdownAt = (target: Page): string => `${base}${target.address}.md`;
  const text = partsOf(page.markdown)
    .map(({ kind, text: part }) => (kind === 'fence' ? part : links(part, page, site, markdownAt)))
    .join('');
  return collapseBlankLines(text.replaceAll(COMMENT, ''));
}

function partsOf(markdown: string): Part[] {
  const parts: Part[] = [];
  let from = 0;
  for (const { 0: text, index } of markdown.matchAll(FENCE)) {
    parts.push({ kind: 'prose', text: markdown.slice(from, index) }, { kind: 'fence', text });
    from = index + text.length;
  }
  return [...parts, { kind: 'prose', text: markdown.slice(from) }];
}

const COMMENT = /<!--[^]*?-->\n*/g;

/**
 * `<!-- tabs -->` and `<!-- end of tabs -->` around blocks of code make them tabs of one group, one
 * for each language. The comments are invisible where the file is read on its own. Other comments
 * are for tests.
 */
function tabGroups(prose: string): string {
  return prose
    .replaceAll('<!-- tabs -->', '::: code-group')
    .replaceAll('<!-- end of tabs -->', ':::')
    .replaceAll(COMMENT, '');
}

/** The heading of an operation, `### GET /v1/events`, shows its method as a badge. */
function methods(prose: string): string {
  return prose.replaceAll(
    /^### (GET|POST|PATCH|DELETE) (?=\/)/gm,
    (_whole, method: string) => `### <span class="method method-${method.toLowerCase()}">${method}</span> `,
  );
}

/** The name of a tab that is not its language: `<!-- tab: In a checkout -->` above the block. */
function tabName(before: Part | undefined): string | undefined {
  return /<!-- tab: ([^>]+) -->\n(?:<!--[^>]*-->\n)*$/.exec(before?.text ?? '')?.[1];
}

/** The names of languages on tabs. A block of `sh` shows curl or a command. */
const LANGUAGES: Readonly<Record<string, string>> = {
  js: 'JavaScript',
  ts: 'TypeScript',
  php: 'PHP',
  python: 'Python',
  go: 'Go',
  html: 'HTML',
};

function fence(text: string, name: string | undefined): string {
  const [, indent = '', language = '', code = ''] = /^( *)```(\w*)\n([^]*?)^ *```$/m.exec(text) ?? [];
  if (language === 'mermaid') return diagram(code);
  const label = name ?? languageName(language, code);
  // A file of Caddy has no grammar of its own.
  const grammar = language === 'caddy' ? 'nginx' : language;
  return `${indent}\`\`\`${grammar}${label === undefined ? '' : ` [${label}]`}\n${code}${indent}\`\`\``;
}

function languageName(language: string, code: string): string | undefined {
  if (language === 'sh') return /\bcurl\b/.test(code) ? 'curl' : 'Shell';
  return LANGUAGES[language];
}

const LINK = /(!?)\[([^\]]*(?:\[[^\]]*\][^\]]*)*)\]\(([^)\s]+)\)/g;

/** Links between files become links between pages. */
function links(prose: string, page: Page, site: Site, addressOf: (page: Page) => string): string {
  return prose.replaceAll(LINK, (whole, mark: string, text: string, target: string) => {
    if (/^(?:[a-z]+:|#)/.test(target)) return whole;
    const [path = '', anchor] = target.split('#');
    const file = posix.join(posix.dirname(page.source), path);
    const other = site.pages.get(file) ?? site.pages.get(posix.join(file, 'README.md'));
    if (other !== undefined) return `${mark}[${text}](${addressOf(other)}${anchor === undefined ? '' : `#${anchor}`})`;
    if (!existsSync(join(ROOT, file))) throw new Error(`${page.source} links to ${target}, which does not exist`);
    // The site has no page for a folder, and none for the README, whose content it holds.
    if (statSync(join(ROOT, file)).isDirectory() || file === 'README.md') return text;
    site.files.add(file);
    return `${mark}[${text}](/${publicPath(file)})`;
  });
}

/** Where the site has a file of the repository: pictures as they are, others as text. */
export function publicPath(file: string): string {
  return /\.(?:svg|png)$/.test(file) ? `files/${file}` : `files/${file}.txt`;
}

function collapseBlankLines(text: string): string {
  return `${text.replaceAll(/\n{3,}/g, '\n\n').trim()}\n`;
}

/** The first paragraph after the title, without markup. */
export function summaryOf({ markdown }: Page): string {
  const prose = partsOf(markdown)
    .filter(({ kind }) => kind === 'prose')
    .map(({ text }) => text)
    .join('')
    .replaceAll(COMMENT, '');
  const paragraph = prose.split(/\n{2,}/).find((each) => /^[A-Z*`[]/.test(each.trim())) ?? '';
  const plain = paragraph.replaceAll(LINK, '$2').replaceAll(/[*`]/g, '').replaceAll('\n', ' ').trim();
  return /^.+?[.:](?= |$)/.exec(plain)?.[0].replace(/:$/, '.') ?? plain;
}
