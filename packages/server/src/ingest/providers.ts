import { PolycastError } from '@polycast/protocol';
import type { IngestProvider } from '../core/ingest-settings.ts';
import { invalidBody, invalidHeader } from '../http/refusals.ts';
import { ed25519Key, SIGNATURES_MAX, type Signature, type SignatureClaim, type SignatureKey } from './signature.ts';

/**
 * A provider is a service that sends webhooks in its own form. Its row says where the form has the
 * signature, the id of the delivery and the type of the event. Example: GitHub has them in
 * `X-Hub-Signature-256`, `X-GitHub-Delivery` and `X-GitHub-Event`.
 */
export interface Provider {
  /** The header of the signature, as the provider writes it. */
  readonly signatureHeader: string;
  /**
   * Reads the claim. It throws nothing: a claim without signatures is refused.
   * @param signature the value of the header
   */
  readonly claim: (signature: string, header: HeaderReader) => SignatureClaim;
  /** Reads a configured secret. @throws Error that describes its problem */
  readonly key: (secret: string) => SignatureKey;
  /**
   * Describes a delivery whose signature is valid.
   * @throws PolycastError `invalid_header`, `invalid_body` for one without an id
   */
  readonly delivery: (header: HeaderReader, body: unknown) => Delivery;
}

/** Returns the value of a request header. */
export type HeaderReader = (name: string) => string | undefined;

export interface Delivery {
  /** The same for each attempt. */
  readonly id: string;
  readonly type: string | undefined;
}

export const PROVIDERS: Readonly<Record<IngestProvider, Provider>> = {
  /** `Stripe-Signature: t=1700000000,v1=<hex>`: the HMAC of the time, a dot, and the body. */
  stripe: {
    signatureHeader: 'Stripe-Signature',
    claim(signature) {
      const pairs = signature.split(',', PAIRS_MAX).map((pair) => pair.trim().split('='));
      const [, time = ''] = pairs.find(([name]) => name === 't') ?? [];
      const signatures = pairs.flatMap(([name, value = '']) => (name === 'v1' ? hmacs(value, 'hex') : []));
      return { prefix: `${time}.`, seconds: secondsOf(time), signatures: signatures.slice(0, SIGNATURES_MAX) };
    },
    key: textKey,
    delivery: (_header, body) => ({ id: bodyId(body), type: memberOf(body, 'type') }),
  },
  /** `X-Hub-Signature-256: sha256=<hex>`: the HMAC of the body. */
  github: {
    signatureHeader: 'X-Hub-Signature-256',
    claim: (signature) => bodyClaim(signature.startsWith('sha256=') ? hmacs(signature.slice(7), 'hex') : []),
    key: textKey,
    delivery(header, body) {
      const event = header('x-github-event');
      const action = memberOf(body, 'action');
      const type = event === undefined || action === undefined ? event : `${event}.${action}`;
      return { id: headerId(header, 'X-GitHub-Delivery'), type };
    },
  },
  /** `X-Shopify-Hmac-SHA256: <base64>`: the HMAC of the body. */
  shopify: {
    signatureHeader: 'X-Shopify-Hmac-SHA256',
    claim: (signature) => bodyClaim(hmacs(signature, 'base64')),
    key: textKey,
    delivery(header) {
      const topic = header('x-shopify-topic');
      // One event can cause deliveries of several topics.
      return { id: `${topic ?? ''} ${headerId(header, 'X-Shopify-Event-Id')}`, type: topic };
    },
  },
  /**
   * `webhook-signature: v1,<base64> v1a,<base64>`: of the id, a dot, the time, a dot, and the body.
   */
  standard: {
    signatureHeader: 'webhook-signature',
    claim(signature, header) {
      const time = header('webhook-timestamp') ?? '';
      const signatures = signature.split(' ', PAIRS_MAX).flatMap(standardSignature).slice(0, SIGNATURES_MAX);
      return { prefix: `${header('webhook-id') ?? ''}.${time}.`, seconds: secondsOf(time), signatures };
    },
    key: standardKey,
    delivery: (header, body) => ({ id: headerId(header, 'webhook-id'), type: memberOf(body, 'type') }),
  },
};

/** The most parts of a signature header that are read. */
const PAIRS_MAX = 16;
const DIGEST_BYTES = 32;
const PUBLIC_KEY_BYTES = 32;
const ID_LENGTH_MAX = 255;

/** The HMAC in a text, or none if it has another length. */
function hmacs(text: string, encoding: 'hex' | 'base64'): readonly Signature[] {
  const bytes = Buffer.from(text, encoding);
  return bytes.length === DIGEST_BYTES ? [{ scheme: 'hmac', bytes }] : [];
}

function standardSignature(text: string): readonly Signature[] {
  if (text.startsWith('v1,')) return hmacs(text.slice(3), 'base64');
  return text.startsWith('v1a,') ? [{ scheme: 'ed25519', bytes: Buffer.from(text.slice(4), 'base64') }] : [];
}

/** A provider that signs the body alone. */
function bodyClaim(signatures: readonly Signature[]): SignatureClaim {
  return { prefix: '', seconds: undefined, signatures };
}

/** A time that is no number is long ago. */
function secondsOf(text: string): number {
  return /^\d{1,12}$/.test(text) ? Number(text) : 0;
}

/** The key is the text of the secret, with its prefix. */
function textKey(secret: string): SignatureKey {
  return { scheme: 'hmac', secret: Buffer.from(secret) };
}

/** `whsec_` and base64 for HMAC, `whpk_` and base64 for an ed25519 public key. */
function standardKey(secret: string): SignatureKey {
  const [, prefix, text = ''] = /^(whsec_|whpk_)([A-Za-z0-9+/]+={0,2})$/.exec(secret) ?? [];
  const bytes = Buffer.from(text, 'base64');
  if (prefix === 'whsec_' && bytes.length > 0) return { scheme: 'hmac', secret: bytes };
  if (prefix === 'whpk_' && bytes.length === PUBLIC_KEY_BYTES) return ed25519Key(bytes);
  throw new Error('must be whsec_ and base64, or whpk_ and an ed25519 public key in base64');
}

function headerId(header: HeaderReader, name: string): string {
  const id = header(name.toLowerCase());
  if (id !== undefined && id.length >= 1 && id.length <= ID_LENGTH_MAX) return id;
  throw invalidHeader(
    name.toLowerCase(),
    `${name} must be the id of the delivery, of 1 to ${ID_LENGTH_MAX} characters.`,
  );
}

function bodyId(body: unknown): string {
  const id = memberOf(body, 'id');
  if (id !== undefined && id.length >= 1 && id.length <= ID_LENGTH_MAX) return id;
  throw invalidBody('id', `must be the id of the event, of 1 to ${ID_LENGTH_MAX} characters`);
}

/** A member of a JSON object, if it is a text. */
function memberOf(body: unknown, name: string): string | undefined {
  if (typeof body !== 'object' || body === null || !Object.hasOwn(body, name)) return undefined;
  const value: unknown = Reflect.get(body, name);
  return typeof value === 'string' ? value : undefined;
}

/** @throws PolycastError `signature_missing` */
export function readClaim(provider: Provider, header: HeaderReader): SignatureClaim {
  const { signatureHeader } = provider;
  const value = header(signatureHeader.toLowerCase());
  const claim = value === undefined ? undefined : provider.claim(value, header);
  if (claim !== undefined && claim.signatures.length > 0) return claim;
  const detail = `${signatureHeader} ${value === undefined ? 'is missing' : 'has no signature in the form of the provider'}.`;
  throw new PolycastError('signature_missing', detail, { header: signatureHeader.toLowerCase() });
}
