import { expect, test } from 'vitest';
import { preferredType } from './accept.ts';

const FORMS = ['application/json', 'text/event-stream'] as const;

test.each([
  ['text/event-stream', 'text/event-stream'],
  ['TEXT/Event-Stream; charset=utf-8', 'text/event-stream'],
  ['text/*', 'text/event-stream'],
  ['application/*', 'application/json'],
  ['*/*;q=0.1', 'application/json'],
  ['text/event-stream;q=0, application/json', 'application/json'],
  ['text/event-stream;q=0, */*', 'application/json'],
  ['application/json;q=0, */*', 'text/event-stream'],
  ['application/json;q=0.1, text/event-stream;q=0.9', 'text/event-stream'],
  ['application/json; q=0.5, */*; q=0.8', 'text/event-stream'],
  ['text/event-stream, application/json', 'text/event-stream'],
  ['application/json, text/event-stream', 'application/json'],
  ['*/*, text/event-stream', 'text/event-stream'],
  ['text/html, text/event-stream;q=0.2', 'text/event-stream'],
  ['text/event-stream;q=high', 'text/event-stream'],
  ['text/html', undefined],
  ['*/*;q=0', undefined],
  ['', undefined],
])('%s: %s', (accept, expected) => {
  expect(preferredType(accept, FORMS)).toBe(expected);
});
