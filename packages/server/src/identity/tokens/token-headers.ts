import { algorithmNamed } from './algorithms.ts';
import { invalidTokenError, type TokenHeader } from './compact-token.ts';
import { parseStrictObject } from './strict-json.ts';

/**
 * The bounds of the memo. An issuer's tokens have one header for each of its keys. Headers that a
 * client invents may be parsed again each time.
 */
const MEMO_MAX = 100;
const MEMO_TEXT_LENGTH_MAX = 512;

/** Parses headers, with a memo: all tokens of a key have the same header text. */
export class TokenHeaders {
  readonly #memo = new Map<string, TokenHeader>();

  /**
   * @param text in base64url
   * @throws PolycastError `unauthorized`
   */
  read(text: string): TokenHeader {
    const known = this.#memo.get(text);
    if (known !== undefined) return known;
    const header = headerIn(text);
    if (text.length > MEMO_TEXT_LENGTH_MAX) return header;
    if (this.#memo.size >= MEMO_MAX) this.#memo.clear();
    this.#memo.set(text, header);
    return header;
  }
}

function headerIn(text: string): TokenHeader {
  const header = parseStrictObject(Buffer.from(text, 'base64url'));
  if (header === undefined) throw invalidTokenError("The token's header is not a JSON object with unique members.");
  const algorithm = algorithmNamed(header['alg']);
  if (algorithm === undefined) throw invalidTokenError("The token's alg is not one of HS256, RS256, ES256 and EdDSA.");
  // RFC 7515, section 4.1.11: a token with an unsupported critical extension is invalid.
  if ('crit' in header)
    throw invalidTokenError("The token's header has crit, and the hub supports no critical extensions.");
  const { kid } = header;
  if (kid !== undefined && typeof kid !== 'string') throw invalidTokenError("The token's kid is not a string.");
  return { algorithm, kid };
}
