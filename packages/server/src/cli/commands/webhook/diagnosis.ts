import { createHmac, timingSafeEqual, verify, type KeyObject } from 'node:crypto';
import { bodyVariants, idVariants, timestampVariants, type Variant } from './content-variants.ts';
import { keyInterpretations, type KeyInterpretation } from './key-interpretations.ts';

/** A captured request. */
export interface CapturedRequest {
  readonly id: string | undefined;
  readonly timestamp: string | undefined;
  readonly signature: string | undefined;
  readonly body: Buffer;
}

export interface Diagnosis {
  readonly isValid: boolean;
  /** The first line is the result; the others are hints. */
  readonly lines: readonly string[];
}

/** Content that may have been signed. */
interface Content {
  readonly bytes: Buffer;
  /** The difference from the received content; empty without one. */
  readonly problem: string;
}

interface Signature {
  readonly scheme: string;
  readonly bytes: Buffer;
  /** The error in its encoding; empty without one. */
  readonly problem: string;
}

/**
 * Checks whether a request is signed correctly (PROTOCOL.md section 14.3). If not, it names the
 * error as exactly as possible.
 */
export function diagnose(
  request: CapturedRequest,
  secrets: readonly string[],
  { nowMs, toleranceSeconds }: { readonly nowMs: number; readonly toleranceSeconds: number },
): Diagnosis {
  const missing = (['id', 'timestamp', 'signature'] as const).filter((name) => !request[name]?.trim());
  if (missing.length > 0) return invalid(...missing.map((name) => `the header webhook-${name} is missing`));
  const { id = '', timestamp = '', signature = '' } = request;
  const signatures = signaturesOf(signature);
  if (signatures.length === 0)
    return invalid(`webhook-signature is "${signature.slice(0, 60)}"; it should be v1, or v1a, and base64`);
  const interpretations = secrets.flatMap((secret, index) =>
    keyInterpretations(secret).map((form) => ({ ...form, index })),
  );
  if (interpretations.length === 0) return invalid('no secret was given');
  const found = search(interpretations, signedContents({ id, timestamp, body: request.body }), signatures);
  if (found === undefined) return explainMismatch(interpretations, signatures, { id, timestamp, body: request.body });
  const [form, content, fitting] = found;
  const problems = [form.problem, content.problem, fitting.problem].filter((text) => text !== '');
  if (problems.length > 0) return invalid(...problems);
  if (!/^\d{1,12}$/.test(timestamp))
    return invalid(`webhook-timestamp is ${timestamp}: it should be in seconds since 1970`);
  return checkTimestamp(
    Number(timestamp),
    nowMs,
    toleranceSeconds,
    secrets.length > 1 ? ` with secret ${form.index + 1}` : '',
  );
}

type IndexedInterpretation = KeyInterpretation & { readonly index: number };
type Found = readonly [IndexedInterpretation, Content, Signature];

/** The matching combination with the fewest errors. */
function search(
  forms: readonly IndexedInterpretation[],
  all: readonly Content[],
  signatures: readonly Signature[],
): Found | undefined {
  let best: Found | undefined;
  let bestCount = Infinity;
  for (const form of forms) {
    for (const content of all) {
      const count = [form.problem, content.problem].filter((text) => text !== '').length;
      if (count >= bestCount) continue;
      const matchingSignature = signatures.find((signature) => isSignedBy(form, content.bytes, signature));
      if (matchingSignature === undefined) continue;
      best = [form, content, matchingSignature];
      bestCount = count;
    }
  }
  return best;
}

/**
 * The contents that may have been signed: the received one first, then variants with one change.
 */
function signedContents({
  id,
  timestamp,
  body,
}: {
  readonly id: string;
  readonly timestamp: string;
  readonly body: Buffer;
}): Content[] {
  const of = (anId: string, time: string, bytes: Buffer): Buffer =>
    Buffer.concat([Buffer.from(`${anId}.${time}.`), bytes]);
  const changed = <Value>(variants: readonly Variant<Value>[], make: (value: Value) => Buffer): Content[] =>
    variants.map(({ value, problem }) => ({ bytes: make(value), problem }));
  return [
    { bytes: of(id, timestamp, body), problem: '' },
    ...changed(bodyVariants(body), (value) => of(id, timestamp, value)),
    ...changed(idVariants(id, body), (value) => of(value, timestamp, body)),
    { bytes: body, problem: 'the signature covers only the body: it must cover id.timestamp.body' },
    {
      bytes: Buffer.concat([Buffer.from(`${timestamp}.`), body]),
      problem: 'the signature covers timestamp.body, without the id',
    },
    ...changed(timestampVariants(timestamp, body.length), (value) => of(id, value, body)),
  ];
}

function isSignedBy({ key, scheme }: KeyInterpretation, content: Buffer, signature: Signature): boolean {
  if (signature.scheme !== '' && signature.scheme !== scheme) return false;
  if (scheme === 'v1a') return verify(null, content, key as KeyObject, signature.bytes);
  const expected = hmac(key as Buffer, content);
  return expected.length === signature.bytes.length && timingSafeEqual(expected, signature.bytes);
}

function hmac(key: Buffer, content: Buffer): Buffer {
  return createHmac('sha256', key).update(content).digest();
}

/** All interpretations of the parts of the header. */
function signaturesOf(header: string): Signature[] {
  return header.split(/,? +/).flatMap((part) => {
    const [, scheme = '', text = ''] = /^(?:(v1a?),)?(.*)$/s.exec(part.trim()) as RegExpExecArray;
    const name = scheme === '' ? 'the signature has no scheme: it should begin with v1, or v1a,' : '';
    const bare = text.replace(/^sha256=/, '');
    const hex = /^(?:[0-9a-f]{64}|[0-9a-f]{128})$/i.test(bare)
      ? [
          {
            scheme,
            bytes: Buffer.from(bare, 'hex'),
            problem: 'the signature is written in hexadecimal: it should be base64',
          },
        ]
      : [];
    const isUrl = /[-_]/.test(text);
    const base64 = /^[\w+/-]+={0,2}$/.test(text)
      ? [
          {
            scheme,
            bytes: Buffer.from(text, 'base64'),
            problem: isUrl ? 'the signature is in the base64 of URLs, with - and _: it should have + and /' : name,
          },
        ]
      : [];
    return [...base64, ...hex];
  });
}

function checkTimestamp(timestampSeconds: number, nowMs: number, toleranceSeconds: number, which: string): Diagnosis {
  const ageSeconds = Math.floor(nowMs / 1000) - timestampSeconds;
  const distance = durationText(Math.abs(ageSeconds));
  const when = ageSeconds < 0 ? `${distance} from now` : `${distance} ago`;
  if (Math.abs(ageSeconds) <= toleranceSeconds) return { isValid: true, lines: [`valid: signed ${when}${which}`] };
  return invalid(
    `the signature is correct${which}, but its time is ${when}, and ${toleranceSeconds} s are tolerated`,
    clockHint(ageSeconds),
    'For a recorded request, give the time of its arrival: --at 2026-11-20T12:00:00Z',
  );
}

const QUARTER_SECONDS = 900;

function clockHint(ageSeconds: number): string {
  const quarters = Math.round(ageSeconds / QUARTER_SECONDS);
  const isZone = Math.abs(ageSeconds - quarters * QUARTER_SECONDS) < 90 && Math.abs(quarters) <= 56 && quarters !== 0;
  if (isZone) return 'This is the distance between two time zones: one of the clocks uses local time as UTC';
  return ageSeconds > 0
    ? 'It was delayed, or somebody replayed it, or the clocks differ'
    : 'The clocks differ: the hub does not sign in advance';
}

function explainMismatch(
  forms: readonly IndexedInterpretation[],
  signatures: readonly Signature[],
  { id, timestamp, body }: { readonly id: string; readonly timestamp: string; readonly body: Buffer },
): Diagnosis {
  const schemes = new Set(forms.map(({ scheme }) => scheme));
  const sent = new Set(signatures.map(({ scheme }) => scheme).filter((scheme) => scheme !== ''));
  if (sent.size > 0 && ![...sent].some((scheme) => schemes.has(scheme as 'v1'))) {
    return sent.has('v1a')
      ? invalid('it is signed with ed25519 (v1a), and the secret is for HMAC: use the public key, whpk_…')
      : invalid('it is signed with HMAC (v1), and the key is for ed25519: use the secret, whsec_…');
  }
  const hmacForm = forms.find(({ scheme, problem }) => scheme === 'v1' && problem === '');
  const content = Buffer.concat([Buffer.from(`${id}.${timestamp}.`), body]);
  return invalid(
    'no given secret matches, in any form, with any known change of the body, the id or the time',
    'It was signed with another secret (of another subscription, or from before a rotation), or the body has changed',
    ...(hmacForm === undefined
      ? []
      : [`With this secret the signature is v1,${hmac(hmacForm.key as Buffer, content).toString('base64')}`]),
  );
}

function durationText(seconds: number): string {
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} days`;
}

function invalid(...lines: readonly string[]): Diagnosis {
  return { isValid: false, lines: lines.map((line, index) => (index === 0 ? `not valid: ${line}` : line)) };
}
