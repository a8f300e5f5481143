import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { SubscriptionState } from './definition.ts';
import { transition, type LifecycleInput, type LifecycleStep } from './lifecycle.ts';

/** The inputs of the columns of the table in PROTOCOL.md section 14.2. */
const COLUMNS: Readonly<Record<string, LifecycleInput>> = {
  verified: 'verified',
  refused: 'refused',
  'another URL': 'moved',
  pause: 'pause',
  resume: 'resume',
  test: 'test',
  'only failures': 'all_failing',
  'probe succeeded': 'probe_succeeded',
  '410': 'gone',
  expiry: 'lease_over',
  removed: 'remove',
};

const [head = [], , ...rows] = tableOf(
  readFileSync(join(import.meta.dirname, '../../../../../PROTOCOL.md'), 'utf8'),
  '| state | verified |',
);

test('the table has every state and every input', () => {
  expect(head.slice(1).toSorted()).toEqual(Object.keys(COLUMNS).toSorted());
  expect(rows.map(([state]) => state)).toEqual(['`pending`', '`active`', '`paused`', '`suspended`', '`ended`']);
});

const cells = rows.flatMap(([state = '', ...texts]) =>
  texts.map((cell, index) => [state.slice(1, -1), head[index + 1] ?? '', cell] as const),
);

test.each(cells)('%s, %s: %s', (state, column, cell) => {
  expect(wordsOf(transition(state as SubscriptionState, COLUMNS[column] as LifecycleInput))).toBe(cell);
});

function wordsOf(step: LifecycleStep): string {
  if (step === 'no_change') return '';
  if (step === 'verify') return 'asked again';
  return step === 'conflict' ? '`409`' : `\`${step.state}\` (\`${step.reason}\`)`;
}

function tableOf(text: string, begin: string): readonly (readonly string[])[] {
  const lines = text.slice(text.indexOf(begin)).split('\n');
  const end = lines.findIndex((line) => !line.startsWith('|'));
  return lines.slice(0, end).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}
