import { expect, test } from 'vitest';
import { missingLine, withCursors } from './printed.ts';

const PRINTED = '{"id":"0v8jx5hrpf-000000000zd","time":"2027-01-01T00:00:00.000Z"}';

test('the epoch and the time are those of the run, and are inserted into later blocks', () => {
  const cursors = new Map<string, string>();
  const shown = '{"id":"0t24qj92dx-000000000zd","time":"2026-11-20T07:26:21.098Z"}';
  expect(missingLine(shown, PRINTED, cursors)).toBeUndefined();
  expect(withCursors('after=0t24qj92dx-000000000zd', cursors)).toBe('after=0v8jx5hrpf-000000000zd');
});

test('another position than that of the page is found', () => {
  const shown = '{"id":"0t24qj92dx-00000001005","time":"2026-11-20T07:26:21.098Z"}';
  expect(missingLine(shown, PRINTED, new Map())).toBe(shown);
});
