import { PolycastError } from '@polycast/protocol';
import { parseStrictObject, type JsonObject } from './strict-json.ts';
import type { TokenHeader, TokenHeaders } from './token-headers.ts';

/** The longest token that is looked at, in characters: what fits into a request's headers beside the rest. */
export const TOKEN_LENGTH_MAX = 8192;

/** A token taken apart (RFC 7515, section 7.1). Nothing in it is to be believed yet. */
export interface CompactToken {
  readonly header: TokenHeader;
  readonly payload: JsonObject;
  /** What the signature is over. */
  readonly signed: Buffer;
  readonly signature: Buffer;
}

/** Whether a text is meant to be a token of this kind: keys of the hub's own have no dots. */
export function looksLikeToken(text: string): boolean {
  return text.includes('.');
}

/** @throws PolycastError `unauthorized` */
export function parseCompact(token: string, headers: TokenHeaders): CompactToken {
  if (token.length > TOKEN_LENGTH_MAX)
    throw invalidTokenError(`The token is longer than ${TOKEN_LENGTH_MAX} characters.`);
  const [, headerText, payloadText, signatureText] = COMPACT_TOKEN.exec(token) ?? [];
  if (headerText === undefined || payloadText === undefined || signatureText === undefined)
    throw invalidTokenError('The token is not of three parts in base64url, joined by dots.');
  const header = headers.read(headerText);
  const payload = parseStrictObject(Buffer.from(payloadText, 'base64url'));
  if (payload === undefined)
    throw invalidTokenError("The token's claims are not a JSON object, each member given once.");
  return {
    header,
    payload,
    signed: Buffer.from(token.slice(0, token.length - signatureText.length - 1), 'latin1'),
    signature: Buffer.from(signatureText, 'base64url'),
  };
}

const COMPACT_TOKEN = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)$/;

export function invalidTokenError(detail: string): PolycastError {
  return new PolycastError('unauthorized', detail);
}
