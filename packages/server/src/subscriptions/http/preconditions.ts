import { PolycastError } from '@polycast/protocol';
import type { Subscription } from '../state/ports.ts';
import type { AuthorizedRequest } from '../../auth/authorized-request.ts';
import { etagOf } from './bodies/subscription-json.ts';

/**
 * Checks `If-Match` (PROTOCOL.md section 14.1). It accepts an ETag without quotes. Returns whether
 * the header named the version.
 * @throws PolycastError `precondition_failed`
 */
export function checkIfMatch(request: AuthorizedRequest, subscription: Subscription): boolean {
  const header = request.header('if-match')?.trim();
  if (header === undefined || header === '*') return false;
  const etag = etagOf(subscription);
  const named = header.split(',').map((tag) => tag.trim());
  if (named.some((tag) => tag === etag || `"${tag}"` === etag)) return true;
  throw new PolycastError('precondition_failed');
}
