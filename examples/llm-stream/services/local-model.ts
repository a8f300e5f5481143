import { setTimeout as pause } from 'node:timers/promises';
import type { Model, Turn } from './model.ts';

const SENTENCES = [
  'An event is appended to one ordered log before any reader receives it.',
  'A reader that comes back continues from its cursor, so the text has no hole.',
  'A phone that changes from one network to another repeats nothing.',
  'Whoever opens the page late receives the text so far in one piece.',
  'A stop reaches the generator itself, and no further token is made.',
];

/**
 * Stands in for a model: the same question always has the same answer, at a steady speed. "Write 50
 * sentences." gets 50 of them.
 */
export function localModel({ tokensPerSecond = 40, sentences = 20 } = {}): Model {
  return async function* answer(turns, signal) {
    const tokens = textFor(turns, sentences).split(/(?= )/);
    for (const text of tokens) {
      await pause(1000 / tokensPerSecond, undefined, { signal });
      yield { text };
    }
    yield { usage: { inputTokens: wordsOf(turns), outputTokens: tokens.length } };
  };
}

function textFor(turns: readonly Turn[], sentences: number): string {
  const question = turns.at(-1)?.content ?? '';
  const start = [...question].reduce((sum, character) => sum + (character.codePointAt(0) ?? 0), 0);
  const length = Number(/\b(\d{1,3}) sentences/.exec(question)?.[1] ?? sentences);
  const chosen = Array.from({ length }, (_, index) => SENTENCES[(start + index) % SENTENCES.length]);
  return `You asked: “${question}” ${chosen.join(' ')}`;
}

function wordsOf(turns: readonly Turn[]): number {
  return turns.reduce((sum, { content }) => sum + content.split(/\s+/).length, 0);
}
