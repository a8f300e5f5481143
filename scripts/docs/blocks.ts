import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The code blocks of the pages, and what is to be done with each. A comment on the line above a
 * block says what its language does not:
 *
 * - `<!-- not run: REASON -->`
 * - `<!-- block: prints -->`: the block before it prints these lines, in this order, among others
 * - `<!-- block: stays -->`: it does not end by itself; what follows is done once the hub has it as
 *   a reader
 * - `<!-- block: meanwhile -->`: a block that goes on running has printed these lines
 * - `<!-- block: runs -->`: a script that is not only checked but run
 * - `<!-- block: continues -->`: a script that goes on where the page's last one ended
 * - `<!-- block: file NAME -->`: lies in the folder that the page's commands run in
 * - `<!-- block: excerpt FILE -->`: lines of a file in the page's folder
 *   (examples/kit/examples.test.ts)
 * - `<!-- block: configures -->`: the configuration of the hub that the page's commands talk to
 * - `<!-- block: foreign -->`: a program that imports packages of another product. The page does
 *   not check it; `conformance/coming-from` runs it where its server can be had
 *
 * Blocks between `<!-- tabs -->` and `<!-- end of tabs -->` show the same in several languages. A
 * reader follows one of them: the page is run once with the first tab of each group, and once for
 * each other language (`tabs.slow.test.ts`).
 * - `<!-- block: shows TEXT -->`: the program in such a language has printed this at the end of its
 *   section
 */
export interface Block {
  /** From the root of the repository. */
  readonly page: string;
  /** The line number of its first line of code, from 1. */
  readonly line: number;
  readonly language: string;
  readonly text: string;
  readonly marks: readonly string[];
  readonly notRun: string | undefined;
  /** The name of the file, if the block is one. */
  readonly file: string | undefined;
  /** The file whose lines it shows. */
  readonly excerpt: string | undefined;
  /** The text that the program must print. */
  readonly shows: string | undefined;
  /** The place of the block in its group of tabs, from 0; undefined outside of tabs. */
  readonly tab: number | undefined;
  /** The number of headings of the second level before the block. */
  readonly section: number;
}

/** The pages whose blocks are tested. Generated pages are tested by their generators. */
const PAGES = [
  'README.md',
  'PROTOCOL.md',
  'ARCHITECTURE.md',
  'CONTRIBUTING.md',
  'docs/README.md',
  'docs/guides/*.md',
  'examples/README.md',
  'examples/*/README.md',
  'docs/reference/configuration.md',
  'docs/reference/errors.md',
];

export function readPages(root: string): ReadonlyMap<string, readonly Block[]> {
  const pages = globSync(PAGES, { cwd: root }).toSorted();
  return new Map(pages.map((page) => [page, blocksOf(page, readFileSync(join(root, page), 'utf8'))]));
}

const FENCE = /^(?<indent> *)```(?<language>\w*)\n(?<text>[^]*?)^\k<indent>```$/gm;
const COMMENT = /<!-- (?<kind>block|not run): (?<words>.+) -->\s*$/;

export function blocksOf(page: string, markdown: string): Block[] {
  return [...markdown.matchAll(FENCE)].map((match) => {
    const { indent = '', language = '', text = '' } = match.groups ?? {};
    const before = markdown.slice(0, match.index);
    const comment = COMMENT.exec(before)?.groups;
    const marks = comment?.['kind'] === 'block' ? (comment['words'] as string).split('; ') : [];
    return {
      page,
      line: before.split('\n').length + 1,
      language,
      text: text.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
      marks: marks.map((mark) => mark.split(' ')[0] as string),
      notRun: comment?.['kind'] === 'not run' ? comment['words'] : undefined,
      file: marks.find((mark) => mark.startsWith('file '))?.slice('file '.length),
      excerpt: marks.find((mark) => mark.startsWith('excerpt '))?.slice('excerpt '.length),
      shows: marks.find((mark) => mark.startsWith('shows '))?.slice('shows '.length),
      tab: tabAt(before),
      section: before.split('\n## ').length - 1,
    };
  });
}

/** The number of blocks before this place in an open group of tabs. */
function tabAt(before: string): number | undefined {
  const group = before.slice(before.lastIndexOf('<!-- tabs -->'));
  if (!group.startsWith('<!-- tabs -->') || group.includes('<!-- end of tabs -->')) return undefined;
  return [...group.matchAll(FENCE)].length;
}

export function nameOf({ page, line, language }: Block): string {
  return `${page}:${line} ${language}`;
}
