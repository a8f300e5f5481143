import { problem, type Problem } from '@polycast/protocol';
import { printable } from './event-format.ts';

/** The problem document of an answer; what is none (a proxy's page, say) is put into words. */
export function readProblem(text: string, status: number): Problem {
  try {
    const value = JSON.parse(text) as Partial<Problem> | null;
    if (typeof value?.code === 'string' && typeof value.title === 'string') return value as Problem;
  } catch {
    // Not of a hub's making: told below.
  }
  const title = 'This is no answer of a hub; is the address right?';
  return { ...problem('internal_error', `It was ${status}: ${printable(text.slice(0, 200))}`), title, status };
}

/** One line for people: what, why and the code to look up. */
export function describeProblem({ title, detail, code }: Problem): string {
  return `${title}${detail === undefined ? '' : ` ${detail}`} (${code})`;
}
