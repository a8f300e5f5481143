import { describe, expect, it } from 'vitest';
import { ERRORS, ERROR_TYPE_PREFIX, PolycastError, problem, type ErrorCode } from './errors.ts';

const CODES = Object.keys(ERRORS) as ErrorCode[];

describe('the catalogue (PROTOCOL.md section 9)', () => {
  it.each(CODES)('%s has a status of 400 or more, a title, and states whether a retry can succeed', (code) => {
    const { status, title, retryable } = ERRORS[code];
    expect(code).toMatch(/^[a-z]+(?:_[a-z0-9]+)*$/);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThanOrEqual(503);
    expect(title).toMatch(/^[A-Z][^\n]*\.$/);
    // Errors with a wait are retryable. Of those that blame the request, only the ones that depend
    // on time are. A 501 names a missing feature, and a damaged event stays damaged: the same
    // request gets the same answer.
    const isFinal = status === 501 || code === 'event_damaged';
    if ((status >= 500 && !isFinal) || status === 429 || status === 408) expect(retryable).toBe(true);
    else if (code !== 'idempotency_in_progress') expect(retryable).toBe(false);
  });

  it('has unique titles', () => {
    const titles = CODES.map((code) => ERRORS[code].title);
    expect(new Set(titles).size).toBe(titles.length);
  });
});

describe('a problem document (RFC 9457)', () => {
  it.each(CODES)('of %s has the required members, also after a JSON round trip', (code) => {
    const document = JSON.parse(JSON.stringify(problem(code, 'What happened.', { limit: 5 }))) as unknown;
    expect(document).toEqual({
      type: ERROR_TYPE_PREFIX + code,
      ...ERRORS[code],
      code,
      detail: 'What happened.',
      limit: 5,
    });
  });

  it('has no detail when none is given', () => {
    expect(problem('not_found')).not.toHaveProperty('detail');
    expect(new PolycastError('not_found').problem).toEqual(problem('not_found'));
    expect(new PolycastError('not_found', 'Nothing here.', { path: '/' }).problem).toEqual(
      problem('not_found', 'Nothing here.', { path: '/' }),
    );
  });
});

describe('a PolycastError', () => {
  it('is an Error with its code', () => {
    const error = new PolycastError('forbidden');
    expect(error).toBeInstanceOf(Error);
    expect([error.name, error.code, error.message]).toEqual(['PolycastError', 'forbidden', ERRORS.forbidden.title]);
  });

  it('has its cause in the text for logs, and not in its problem document', () => {
    const inner = new PolycastError('log_full', undefined, undefined, { cause: 'disk I/O error' });
    const error = new PolycastError('internal_error', 'It failed.', undefined, { cause: inner });
    expect(String(error)).toMatch(/^PolycastError: It failed\. Cause: PolycastError: .* Cause: disk I\/O error$/);
    expect(error.problem).toEqual(problem('internal_error', 'It failed.'));
    expect(String(new PolycastError('forbidden'))).toBe(`PolycastError: ${ERRORS.forbidden.title}`);
  });
});
