import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../../testing/temporary-folder.ts';
import type { InFlightJournal } from '../../subscriptions/state/in-flight-journal.ts';
import { IN_FLIGHT_FILE, openInFlightJournal } from './in-flight-journal-file.ts';

function fail(error: unknown): never {
  throw error;
}

/** Opens the journal as a hub does. A journal that was not closed before looks like a crash. */
function opener(): { readonly path: string; open(): InFlightJournal } {
  const path = join(temporaryFolder(), IN_FLIGHT_FILE);
  return { path, open: () => openInFlightJournal(path, fail) };
}

test('a hub that stops in order leaves no file, and its successor writes none', () => {
  const { path, open } = opener();
  const first = open();
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(first.onStarted('sub_1', 7)).toBe(-1);
  first.close();
  expect(existsSync(path)).toBe(false);
  expect(open().suspects).toEqual(new Map());
});

test('after one crash requests in flight are written to the journal; after the next crash those are suspects', () => {
  const { open } = opener();
  open();
  const careful = open();
  expect(careful.suspects.size).toBe(0);
  const slots = [careful.onStarted('sub_1', 7), careful.onStarted('sub_2', 8), careful.onStarted('sub_1', 9)];
  careful.onEnded(slots[1] as number);
  expect(open().suspects).toEqual(new Map([['sub_1', { crashes: 1, positions: [7, 9] }]]));
});

test('a suspect that crashes the hub again has one more crash; one that was not tried has not', () => {
  const { open } = opener();
  open();
  const second = open();
  second.onStarted('sub_1', 7);
  second.onStarted('sub_2', 8);
  const third = open();
  third.onStarted('sub_1', 7);
  const fourth = open();
  expect(fourth.suspects.get('sub_1')).toEqual({ crashes: 2, positions: [7] });
  expect(fourth.suspects.get('sub_2')).toEqual({ crashes: 1, positions: [8] });
  fourth.clearSuspect('sub_1');
  fourth.onStarted('sub_3', 1);
  // After an orderly end, untried suspects remain suspects, and no other subscription becomes one.
  fourth.close();
  expect(open().suspects).toEqual(new Map([['sub_2', { crashes: 1, positions: [8] }]]));
});

test('a hub that has run for long stops writing the journal', () => {
  const { path, open } = opener();
  open();
  const careful = open();
  careful.onStarted('sub_1', 7);
  careful.stopRecording();
  expect(careful.onStarted('sub_1', 8)).toBe(-1);
  expect(readFileSync(path, 'latin1').trim()).toBe('calm');
  expect(open().suspects.size).toBe(0);
});

test('slots are reused, and a file with any content is accepted', () => {
  const { path, open } = opener();
  writeFileSync(path, '\0\xff\nf 1 sub_1 5\nf x sub_2 5\nf 1 sub_3\n'.padEnd(1000, 'f 1 '));
  const careful = open();
  expect([...careful.suspects.keys()]).toEqual(['sub_1']);
  for (let request = 0; request < 1000; request++) careful.onEnded(careful.onStarted('sub_9', request));
  expect(statSync(path).size).toBeLessThan(64 * 5);
});

test('a failed write is reported once, and requests are sent regardless', () => {
  const path = join(temporaryFolder(), IN_FLIGHT_FILE);
  mkdirSync(path);
  const errors: unknown[] = [];
  const file = openInFlightJournal(path, (error) => errors.push(error));
  file.onEnded(file.onStarted('sub_1', 1));
  file.close();
  expect(errors).toHaveLength(1);
});

test('a request that ends after the journal was closed is no failed write', () => {
  const { open } = opener();
  open();
  const careful = open();
  const slot = careful.onStarted('sub_1', 1);
  careful.close();
  careful.onEnded(slot);
  expect(careful.onStarted('sub_1', 2)).toBeGreaterThan(0);
  careful.close();
  expect(open().suspects).toEqual(new Map());
});
