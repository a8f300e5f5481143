import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseTraceContext, traceMembers, traceparentOf, TRACESTATE_LENGTH_MAX } from './trace-context.ts';

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
const SPAN_ID = 'b7ad6b7169203331';
const VALID = `00-${TRACE_ID}-${SPAN_ID}-01`;

test('a trace context is one text, and gives its members again', () => {
  expect(parseTraceContext(VALID, undefined)).toBe(VALID);
  expect(parseTraceContext(VALID, 'a=1,b@c=2 3')).toBe(`${VALID} a=1,b@c=2 3`);
  expect(traceMembers(VALID)).toEqual({ traceparent: VALID });
  expect(traceMembers(`${VALID} a=1`)).toEqual({ traceparent: VALID, tracestate: 'a=1' });
});

test.each<[unknown, string]>([
  ['', 'nothing'],
  [undefined, 'absent'],
  [7, 'a number'],
  [`ff-${TRACE_ID}-${SPAN_ID}-01`, 'the forbidden version'],
  [`00-${'0'.repeat(32)}-${SPAN_ID}-01`, 'a trace id of zeros'],
  [`00-${TRACE_ID}-${'0'.repeat(16)}-01`, 'a span id of zeros'],
  [VALID.toUpperCase(), 'capital letters'],
  [`${VALID}-00`, 'version 00 with a field more'],
  [`${VALID}, ${VALID}`, 'two headers, joined'],
  [VALID.slice(0, -1), 'too short'],
  [`01-${TRACE_ID}-${SPAN_ID}-01x`, 'a later version without a dash'],
  [`cc-${TRACE_ID}-${SPAN_ID}-01-${'x'.repeat(65_536)}`, 'a later version of 64 kB'],
  ['x'.repeat(65_536), '64 kB'],
])('%# a traceparent is ignored, with its tracestate: %s (%s)', (traceparent, _why) => {
  expect(parseTraceContext(traceparent, 'a=1')).toBeUndefined();
});

test('a later version is read as version 00', () => {
  expect(parseTraceContext(`cc-${TRACE_ID}-${SPAN_ID}-01-what-follows`, undefined)).toBe(VALID);
});

test('only the flags "sampled" and "random" are passed on', () => {
  expect(parseTraceContext(`00-${TRACE_ID}-${SPAN_ID}-ff`, undefined)).toBe(`00-${TRACE_ID}-${SPAN_ID}-03`);
  expect(parseTraceContext(`00-${TRACE_ID}-${SPAN_ID}-00`, undefined)).toBe(`00-${TRACE_ID}-${SPAN_ID}-00`);
});

test.each([
  ['', 'nothing'],
  [' , ', 'no member'],
  ['a', 'no value'],
  ['A=1', 'a capital key'],
  ['a=1\r\nX: y', 'a line break'],
  ['a=é', 'beyond ASCII'],
  [`a=${'x'.repeat(TRACESTATE_LENGTH_MAX)}`, 'too long'],
  ['x'.repeat(65_536), '64 kB'],
  [Array.from({ length: 33 }, (_, index) => `k${index}=1`).join(), '33 members'],
])('%# a tracestate is ignored alone: %s (%s)', (tracestate) => {
  expect(parseTraceContext(VALID, tracestate)).toBe(VALID);
});

test('any texts give nothing, or a context in printable ASCII', () => {
  const text = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom(VALID, 'a=1', 'a=1,b=2'));
  fc.assert(
    fc.property(text, text, (traceparent, tracestate) => {
      const trace = parseTraceContext(traceparent, tracestate);
      if (trace === undefined) return;
      expect(trace).toMatch(/^[\x20-\x7e]{55,568}$/);
      expect(parseTraceContext(traceparentOf(trace), traceMembers(trace)['tracestate'])).toBe(trace);
    }),
  );
});
