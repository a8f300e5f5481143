import { PolycastError } from '@polycast/protocol';
import type { TokenAlgorithm } from '../../core/access/identity-settings.ts';
import { parseStrictObject, type JsonObject } from './strict-json.ts';

/**
 * The bound on a token, in characters: such a token fits into a request's headers beside the
 * others.
 */
export const TOKEN_LENGTH_MAX = 8192;

/** The members of a token's header that select its key. The header has no other effect. */
export interface TokenHeader {
  readonly algorithm: TokenAlgorithm;
  readonly kid: string | undefined;
}

/**
 * The parts of a token (RFC 7515, section 7.1): `header.payload.signature`. Nothing in it is
 * verified yet.
 */
export interface CompactToken {
  readonly header: TokenHeader;
  readonly payload: JsonObject;
  /** The bytes that the signature covers. */
  readonly signed: Buffer;
  readonly signature: Buffer;
}

/** Whether a text looks like a JWT. The hub's own keys contain no dots. */
export function looksLikeToken(text: string): boolean {
  return text.includes('.');
}

/**
 * @param headers parses the first part
 * @throws PolycastError `unauthorized`
 */
export function parseCompact(token: string, headers: { read(text: string): TokenHeader }): CompactToken {
  if (token.length > TOKEN_LENGTH_MAX)
    throw invalidTokenError(`The token is longer than ${TOKEN_LENGTH_MAX} characters.`);
  const [, headerText, payloadText, signatureText] = COMPACT_TOKEN.exec(token) ?? [];
  if (headerText === undefined || payloadText === undefined || signatureText === undefined)
    throw invalidTokenError('The token does not consist of three parts in base64url, joined by dots.');
  const header = headers.read(headerText);
  const payload = parseStrictObject(Buffer.from(payloadText, 'base64url'));
  if (payload === undefined) throw invalidTokenError("The token's claims are not a JSON object with unique members.");
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
