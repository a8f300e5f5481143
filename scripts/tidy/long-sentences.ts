import { globSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { SKIPPED, type Module } from './modules.ts';
import type { Finding } from './rules.ts';

/** Most readers have another mother tongue: they understand a sentence of this length at once. */
const WORDS_MAX = 25;

/** A line with a sentence, and the sentence without the marks of Markdown. */
interface Sentence {
  /** The first line of its paragraph, from 1. */
  readonly line: number;
  readonly text: string;
}

const FENCE = /^\s*(?:```|~~~)/;
/** Headings, HTML and references of links are no sentences. They end a paragraph. */
const NO_PROSE = /^\s*(?:#{1,6} |<|\[[^\]]+\]: )/;
/** Each cell of a table is a paragraph, and each item of a list in a cell. */
const TABLE_ROW = /^\s*\|/;
const CELL_BORDER = /(?<!\\)\||;|<br>/;
/** A cell often lists names of code. A reader looks for one, and does not read them all. */
const CODE_LIST = /`code`(?:,? (?:or )?`code`)+/g;
/**
 * The mark of an item of a list, of a quotation, or of a tag of a comment. Each begins a paragraph.
 */
const ITEM = /^\s*(?:(?:[-*+]|\d+\.) +|> ?|@\w+ )+/;
/**
 * A full stop, question mark or exclamation mark, with what closes behind it;
 * or the dot between items in a row.
 */
const SENTENCE_END = /([.?!]["')\]*_]*| ·) +/g;
const ABBREVIATION = /\b(?:e\.g|i\.e|vs|cf)\.$/;
/** A word has a letter or a digit. */
const WORD = /[\p{L}\p{N}]/u;

/**
 * Sentences of more than `WORDS_MAX` words, in all pages in Markdown and in the comments
 * of all sources.
 */
export function longSentences(root: string, modules: readonly Module[]): Finding[] {
  const pages = globSync('**/*.md', { cwd: root, exclude: (path) => SKIPPED.has(posix.basename(path)) });
  return [
    ...pages.flatMap((path) => longSentencesOfPage(path, readFileSync(join(root, path), 'utf8'))),
    ...modules.flatMap(longSentencesOfComments),
  ];
}

export function longSentencesOfPage(path: string, markdown: string): Finding[] {
  return findings(path, sentencesOf(markdown));
}

export function longSentencesOfComments({ path, comments }: Module): Finding[] {
  return comments.flatMap(({ line, text }) =>
    findings(
      path,
      sentencesOf(text).map((sentence) => ({ ...sentence, line: line + sentence.line - 1 })),
    ),
  );
}

function findings(path: string, sentences: readonly Sentence[]): Finding[] {
  return sentences.flatMap(({ line, text }) => {
    const words = text.split(' ').filter((word) => WORD.test(word)).length;
    if (words <= WORDS_MAX) return [];
    return [{ path, message: `line ${line}: a sentence of ${words} words, ${WORDS_MAX} is the limit: ${text}` }];
  });
}

/** Paragraphs, items, quotations and cells of tables; no code or headings. */
function sentencesOf(markdown: string): Sentence[] {
  const sentences: Sentence[] = [];
  const paragraph: string[] = [];
  let startLine = 0;
  let inFence = false;
  const endParagraph = (): void => {
    for (const text of split(paragraph.join(' '))) sentences.push({ line: startLine, text });
    paragraph.length = 0;
  };
  for (const [index, line] of markdown
    .replace(/<!--.*?-->/gs, blankLines)
    .split('\n')
    .entries()) {
    const isFence = FENCE.test(line);
    if (isFence) inFence = !inFence;
    const isProse = !isFence && !inFence && line.trim() !== '' && !NO_PROSE.test(line);
    const isRow = isProse && TABLE_ROW.test(line);
    if (!isProse || isRow || ITEM.test(line)) endParagraph();
    if (isRow) for (const text of cellsOf(line).flatMap(split)) sentences.push({ line: index + 1, text });
    if (!isProse || isRow) continue;
    if (paragraph.length === 0) startLine = index + 1;
    paragraph.push(line.replace(ITEM, '').trim());
  }
  endParagraph();
  return sentences;
}

/** Code is replaced first: it may contain the border. */
function cellsOf(row: string): string[] {
  return withoutCode(row).replace(CODE_LIST, '`code`').split(CELL_BORDER);
}

function blankLines(comment: string): string {
  return comment.replace(/[^\n]+/g, '');
}

/** Code and quotations are one word each: they are the words of others. A link is its text. */
function split(paragraph: string): string[] {
  const sentences: string[] = [];
  const plain = withoutCode(paragraph)
    .replace(/\]\([^)]*\)/g, ']')
    .replace(/"[^"]*?([.?!]?)"/g, '"quotation$1"');
  let start = 0;
  for (const end of plain.matchAll(SENTENCE_END)) {
    const sentence = plain.slice(start, end.index + (end[1] as string).length);
    if (ABBREVIATION.test(sentence)) continue;
    sentences.push(sentence);
    start = end.index + end[0].length;
  }
  if (start < plain.length) sentences.push(plain.slice(start));
  return sentences;
}

function withoutCode(text: string): string {
  return text.replace(/(`+).+?\1/g, '`code`');
}
