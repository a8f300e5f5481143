import type { Module } from './modules.ts';
import type { Finding } from './rules.ts';

/** Files that look for an empty line in other data than an event stream. */
const MAY_FIND_EMPTY_LINES: Readonly<Record<string, string>> = {
  'packages/server/src/cli/commands/webhook/captured-request.ts': 'The end of the headers of a captured HTTP request.',
  'bench/harness/results.ts': 'Blocks of a page in Markdown.',
  'packages/docs/stage/markdown.ts': 'Parts of a page in Markdown.',
  'conformance/protocol/event-stream-chunks.slow.test.ts': 'The bytes of each chunk are what it tests.',
};

/**
 * Code that splits a text at its empty lines is another parser of event streams, with half of their
 * syntax.
 */
export function ownSseParsers(modules: readonly Module[]): Finding[] {
  return modules
    .filter(({ path, texts, members }) => {
      const isExempt = /^packages\/protocol\/|^scripts\//.test(path) || MAY_FIND_EMPTY_LINES[path] !== undefined;
      return !isExempt && texts.has('\n\n') && (members.has('split') || members.has('indexOf'));
    })
    .map(({ path }) => ({ path, message: 'parses an event stream: createSseParser of @polycast/protocol does' }));
}
