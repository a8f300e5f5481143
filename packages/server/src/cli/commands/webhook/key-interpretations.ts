import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';

/**
 * An interpretation of a secret as a key. For example, the text after `whsec_` as base64, or,
 * wrongly, as the key itself.
 */
export interface KeyInterpretation {
  readonly scheme: 'v1' | 'v1a';
  readonly key: Buffer | KeyObject;
  /** The error that a match of this form shows; empty for the correct form. */
  readonly problem: string;
}

const ED25519_BYTES = 32;
/** The DER prefixes of ed25519 keys (RFC 8410). */
const PUBLIC_FRAME = Buffer.from('302a300506032b6570032100', 'hex');
const PRIVATE_FRAME = Buffer.from('302e020100300506032b657004220420', 'hex');

const SHARED_BYTES_MIN = 24;
const SHARED_BYTES_MAX = 64;

/**
 * The error in a secret with a known prefix, as the hub would report it (PROTOCOL.md section 14.3).
 */
export function wrongSecret(given: string): string | undefined {
  const [, prefix, base64 = ''] = /^["']?(whsec_|whpk_|whsk_)(.*?)["']?$/.exec(given.trim()) ?? [];
  const { length } = Buffer.from(base64, 'base64');
  const found = `there are ${length}`;
  if (prefix === 'whsec_' && (length < SHARED_BYTES_MIN || length > SHARED_BYTES_MAX))
    return `a secret must be whsec_ and ${SHARED_BYTES_MIN} to ${SHARED_BYTES_MAX} bytes in base64; ${found}`;
  if (prefix === 'whpk_' && length !== ED25519_BYTES)
    return `a public key must be whpk_ and ${ED25519_BYTES} bytes in base64; ${found}`;
  if (prefix === 'whsk_' && length !== ED25519_BYTES && length !== 2 * ED25519_BYTES)
    return `a key must be whsk_ and ${ED25519_BYTES} or ${2 * ED25519_BYTES} bytes in base64; ${found}`;
  return undefined;
}

/** All interpretations of a secret, the correct one first. */
export function keyInterpretations(given: string): KeyInterpretation[] {
  const text = given.trim().replace(/^(["'])(.*)\1$/s, '$2');
  if (text === '') return [];
  if (text.startsWith('whpk_')) return publicForm(Buffer.from(text.slice('whpk_'.length), 'base64'), '');
  if (text.startsWith('whsk_')) return privateForm(Buffer.from(text.slice('whsk_'.length), 'base64'));
  const bare = text.replace(/^whsec_/, '');
  const form = (key: Buffer, problem: string): KeyInterpretation => ({ scheme: 'v1', key, problem });
  return [
    form(Buffer.from(bare, 'base64'), ''),
    form(
      Buffer.from(bare),
      'the text of the secret was used as the key: the part after whsec_ is base64, and the decoded bytes are the key',
    ),
    form(
      Buffer.from(text),
      'the whole secret with its whsec_ was used as the key: the part after whsec_ is base64, and the decoded bytes are the key',
    ),
    form(Buffer.from(`${text}\n`), 'the secret was used as the key with the line break at its end'),
    ...(/^(?:[0-9a-f]{2})+$/i.test(bare)
      ? [form(Buffer.from(bare, 'hex'), 'the secret was decoded as hexadecimal: it is base64')]
      : []),
    ...(given === text
      ? []
      : [form(Buffer.from(given), 'the secret was used as the key with the quotes or spaces around it')]),
  ];
}

function publicForm(bytes: Buffer, problem: string): KeyInterpretation[] {
  if (bytes.length !== ED25519_BYTES) return [];
  const key = createPublicKey({ key: Buffer.concat([PUBLIC_FRAME, bytes]), format: 'der', type: 'spki' });
  return [{ scheme: 'v1a', key, problem }];
}

/** The sender's private key also allows a check. */
function privateForm(bytes: Buffer): KeyInterpretation[] {
  if (bytes.length < ED25519_BYTES) return [];
  const seed = bytes.subarray(0, ED25519_BYTES);
  const key = createPrivateKey({ key: Buffer.concat([PRIVATE_FRAME, seed]), format: 'der', type: 'pkcs8' });
  return [{ scheme: 'v1a', key: createPublicKey(key), problem: '' }];
}
