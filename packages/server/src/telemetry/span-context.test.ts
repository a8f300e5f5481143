import { INVALID_SPANID, INVALID_TRACEID, trace as traceApi } from '@opentelemetry/api';
import { parseTraceParent } from '@opentelemetry/core';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseTraceContext } from '../core/events/trace-context.ts';
import { isSampled, parentContext, spanContextOf, withoutSampling } from './span-context.ts';

const hex = (length: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: length, maxLength: length });
const traceparent = fc
  .tuple(
    fc.oneof(fc.constant('00'), hex(2)),
    fc.oneof(hex(32), fc.constant(INVALID_TRACEID)),
    fc.oneof(hex(16), fc.constant(INVALID_SPANID)),
    hex(2),
    fc.constantFrom('', '', '-', '-more', 'x', ' '),
  )
  .map(([version, traceId, spanId, flags, more]) => `${version}-${traceId}-${spanId}-${flags}${more}`);

test("a traceparent is read as OpenTelemetry's own parser reads it", () => {
  fc.assert(
    fc.property(traceparent, (text) => {
      // It also accepts white space around the value, which HTTP has removed before.
      fc.pre(text === text.trim());
      const official = parseTraceParent(text);
      const own = parseTraceContext(text, undefined);
      expect([text, own === undefined]).toEqual([text, official === null]);
      if (own === undefined || official === null) return;
      const { traceId, spanId, traceFlags } = spanContextOf(own);
      expect([traceId, spanId, traceFlags]).toEqual([official.traceId, official.spanId, official.traceFlags & 3]);
    }),
    { numRuns: 2000 },
  );
});

test('the flag "sampled" is read and cleared, and the rest stays', () => {
  const start = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-0`;
  expect(['0', '1', '2', '3'].map((flags) => isSampled(start + flags))).toEqual([false, true, false, true]);
  expect(withoutSampling(`${start}3 a=1`)).toBe(`${start}2 a=1`);
  const context = traceApi.getSpanContext(parentContext(`${start}1 a=1`));
  expect([context?.isRemote, context?.traceState?.get('a')]).toEqual([true, '1']);
});
