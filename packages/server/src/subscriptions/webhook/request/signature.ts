import { sign } from 'node:crypto';
import type { Secret } from '../../state/definition.ts';
import { HmacKey } from './hmac.ts';
import { signingKey, type SigningKey } from './secrets.ts';

/** The signed content: the headers with these names, and the body as sent. */
export interface Signed {
  /** Contains no dot. The same for every attempt. */
  readonly id: string;
  /** Whole seconds since 1970, at this attempt. */
  readonly seconds: number;
  readonly body: Uint8Array;
}

/**
 * The value of `webhook-signature` (Standard Webhooks 1.0): one signature for each valid secret,
 * the newest secret first.
 * @throws TypeError if a secret is invalid
 */
export function signatures({ id, seconds, body }: Signed, secrets: readonly Secret[], nowMs: number): string {
  const head = `${id}.${seconds}.`;
  let list = '';
  for (const { text, endsMs } of secrets) {
    if (endsMs !== undefined && endsMs <= nowMs) continue;
    const one = signature(signingKey(text), head, body);
    list = list === '' ? one : `${list} ${one}`;
  }
  return list;
}

/**
 * The headers of an attempt that Standard Webhooks 1.0 defines.
 * @throws TypeError if a secret is invalid
 */
export function standardHeaders(
  secrets: readonly Secret[],
  id: string,
  body: Uint8Array,
  nowMs: number,
): Readonly<Record<string, string>> {
  const seconds = Math.floor(nowMs / 1000);
  const signature = signatures({ id, seconds, body }, secrets, nowMs);
  return { 'webhook-id': id, 'webhook-timestamp': String(seconds), 'webhook-signature': signature };
}

function signature(key: SigningKey, head: string, body: Uint8Array): string {
  if (key instanceof HmacKey) return `v1,${key.sign(head, body)}`;
  return `v1a,${sign(null, Buffer.concat([Buffer.from(head), body]), key).toString('base64')}`;
}
