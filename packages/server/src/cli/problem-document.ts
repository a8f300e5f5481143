import { problem, type Problem } from '@polycast/protocol';
import { printable } from './terminal.ts';

/** The problem document of an answer. Another text, such as a proxy's page, becomes a problem. */
export function readProblem(text: string, status: number): Problem {
  try {
    const value = JSON.parse(text) as Partial<Problem> | null;
    if (typeof value?.code === 'string' && typeof value.title === 'string') return value as Problem;
  } catch {
    // Not from a hub: a problem is made below.
  }
  const title = 'This is not the response of a hub. Is the URL correct?';
  return {
    ...problem('internal_error', `The response was ${status}: ${printable(text.slice(0, 200))}`),
    title,
    status,
  };
}

/** One line for people: title, detail and the code to look up. */
export function describeProblem({ title, detail, code }: Problem): string {
  return `${title}${detail === undefined ? '' : ` ${detail}`} (${code})`;
}
