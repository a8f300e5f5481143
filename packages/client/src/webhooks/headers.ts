import { WebhookError } from './error.ts';

/**
 * Headers in the forms of different servers: a `Headers`, Node's, or an object of strings. The case
 * of names does not matter.
 */
export type HeaderSource =
  | { get(name: string): string | null }
  | Readonly<Record<string, string | readonly string[] | undefined>>;

/** The signed headers beside the body (Standard Webhooks). */
export interface SignedHeaders {
  readonly id: string;
  /** Seconds since 1970, as received. */
  readonly timestamp: string;
  /** Each is `scheme,base64`, as received. */
  readonly signatures: readonly string[];
}

/** The most signatures that are read. During a rotation there are two of each scheme. */
const SIGNATURES_MAX = 16;

/** The value of a header; several of one name are joined as in HTTP. */
export function headerOf(headers: HeaderSource, name: string): string | undefined {
  if (typeof headers.get === 'function') return headers.get(name) ?? undefined;
  const found = Object.entries(headers).find(([each]) => each.toLowerCase() === name)?.[1];
  return typeof found === 'object' ? found.join(', ') : (found as string | undefined);
}

/** @throws WebhookError `missing_header`, `invalid_header` */
export function signedHeaders(headers: HeaderSource): SignedHeaders {
  const [id, timestamp, signature] = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((name) => {
    const value = headerOf(headers, name)?.trim();
    if (value) return value;
    throw new WebhookError('missing_header', `the header ${name} is missing`);
  }) as [string, string, string];
  if (!/^\d{1,12}$/.test(timestamp))
    throw new WebhookError(
      'invalid_header',
      `webhook-timestamp is "${timestamp.slice(0, 40)}", which is not a number of seconds`,
    );
  // Several headers of the name are joined by commas.
  return { id, timestamp, signatures: signature.split(/,? +/).slice(0, SIGNATURES_MAX) };
}
