import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { describe, expect, test } from 'vitest';
import { diagnose, type CapturedRequest } from './diagnosis.ts';

const BYTES = Buffer.from('a secret of these tests, 32 long');
const SECRET = `whsec_${BYTES.toString('base64')}`;
const ID = 'event-1';
const SENT_SECONDS = 1_800_000_000;
const BODY = '{"id":"event-1","data":{"text":"schön/gut","list":[1,2]}}';

function hmac(key: Buffer | string, content: string | Buffer): string {
  return `v1,${createHmac('sha256', key).update(content).digest('base64')}`;
}

function kept(
  changes: Partial<Omit<CapturedRequest, 'body'>> & { readonly body?: string | Buffer } = {},
): CapturedRequest {
  const signature = new Webhook(SECRET).sign(ID, new Date(SENT_SECONDS * 1000), BODY);
  const { body = BODY, ...rest } = changes;
  return { id: ID, timestamp: String(SENT_SECONDS), signature, ...rest, body: Buffer.from(body as string) };
}

function said(request: CapturedRequest, secrets: readonly string[] = [SECRET], afterSeconds = 5): string {
  const { isValid, lines } = diagnose(request, secrets, {
    nowMs: (SENT_SECONDS + afterSeconds) * 1000,
    toleranceSeconds: 300,
  });
  expect(isValid).toBe((lines[0] as string).startsWith('valid'));
  return lines.join('\n');
}

test('a valid signature is reported as valid', () => {
  expect(said(kept())).toBe('valid: signed 5 s ago');
  expect(said(kept(), ['whsec_AAAA', SECRET])).toBe('valid: signed 5 s ago with secret 2');
  expect(said(kept(), [SECRET.slice(6)])).toBe('valid: signed 5 s ago');
});

test('a valid signature of ed25519 is reported as valid', () => {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('base64');
  const seed = privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(-32).toString('base64');
  const content = Buffer.from(`${ID}.${SENT_SECONDS}.${BODY}`);
  const request = kept({ signature: `v1a,${sign(null, content, privateKey).toString('base64')}` });
  expect(said(request, [`whpk_${raw}`])).toBe('valid: signed 5 s ago');
  expect(said(request, [`whsk_${seed}`])).toBe('valid: signed 5 s ago');
  expect(said(request)).toContain('use the public key, whpk_…');
  expect(said(kept(), [`whpk_${raw}`])).toContain('use the secret, whsec_…');
  expect(said({ ...request, body: Buffer.from(`${BODY}\n`) }, [`whpk_${raw}`])).toContain('line break at its end');
});

describe('the clock', () => {
  test.each([
    [301, /the signature is correct, but its time is 5 min ago, and 300 s are tolerated\nIt was delayed/],
    [-301, /5 min from now.*\nThe clocks differ/],
    [7230, /2 h ago.*\nThis is the distance between two time zones/],
    [-19_800, /6 h from now.*\nThis is the distance between two time zones/],
    [40 * 86_400, /40 days ago.*\nIt was delayed/],
  ])('that is %i s off is reported', (seconds, message) => expect(said(kept(), [SECRET], seconds)).toMatch(message));
});

describe('the form of the secret', () => {
  const content = `${ID}.${SENT_SECONDS}.${BODY}`;
  test.each([
    ['its text', hmac(SECRET.slice(6), content), SECRET, /text of the secret was used as the key/],
    ['all of its text', hmac(SECRET, content), SECRET, /whole secret with its whsec_/],
    ['with a line break', hmac(`${SECRET}\n`, content), SECRET, /with the line break at its end/],
    ['with quotes', hmac(`"${SECRET}"`, content), `"${SECRET}"`, /with the quotes or spaces around it/],
    ['hexadecimal', hmac(BYTES, content), BYTES.toString('hex'), /decoded as hexadecimal/],
  ])('%s', (_what, signature, secret, message) => expect(said(kept({ signature }), [secret])).toMatch(message));
});

describe('the body', () => {
  const spaced = '{"id": "event-1", "data": {"text": "sch\\u00f6n/gut", "list": [1, 2]}}';
  const php = '{"id":"event-1","data":{"text":"sch\\u00f6n\\/gut","list":[1,2]}}';
  const signedAs = (body: string | Buffer): string =>
    hmac(BYTES, Buffer.concat([Buffer.from(`${ID}.${SENT_SECONDS}.`), Buffer.from(body)]));
  test.each<[what: string, came: string | Buffer, signed: string | Buffer, message: RegExp]>([
    ['one line break more', `${BODY}\n`, BODY, /has a line break at its end that was not signed/],
    ['one line break less', BODY, `${BODY}\n`, /lacks the line break/],
    ['CRLF', '{\r\n}', '{\n}', /from LF into CRLF/],
    ['LF', '{\n}', '{\r\n}', /from CRLF into LF/],
    ['a byte order mark', `\uFEFF${BODY}`, BODY, /byte order mark/],
    ['another encoding', Buffer.from(Buffer.from('"é"').toString('latin1')), '"é"', /Latin-1/],
    ['made compact', BODY, JSON.stringify(JSON.parse(BODY), undefined, 2), /indented by two spaces/],
    ['indented', JSON.stringify(JSON.parse(BODY), undefined, 4), BODY, /without spaces/],
    ['as Python writes it', BODY, spaced, /a space after each comma and colon, and with/],
    ['as PHP writes it', BODY, php, /as PHP writes it/],
    ['with other order', '{"b":1,"a":2}', '{"a":2,"b":1}', /members sorted/],
    ['taken away', BODY, '', /of an empty body/],
    ['encoded twice', BODY, JSON.stringify(BODY), /encoded twice/],
  ])('%s', (_what, came, signed, message) =>
    expect(said(kept({ body: came, signature: signedAs(signed) }))).toMatch(message),
  );

  test('together with a wrong form of the secret, both are reported', () => {
    const signature = hmac(SECRET, `${ID}.${SENT_SECONDS}.${BODY}`);
    expect(said(kept({ body: `${BODY}\n`, signature }))).toMatch(/whole secret with its whsec_.*\n.*line break/);
  });
});

describe('the id and the time', () => {
  test.each<[what: string, changes: Partial<CapturedRequest>, message: RegExp]>([
    [
      'another id',
      { id: 'event-2' },
      /the id is wrong: it was signed for event-1, which the body has, and webhook-id is event-2/,
    ],
    [
      'an id with a prefix',
      { id: 'msg_event-1', body: Buffer.from('1'), signature: hmac(BYTES, `${ID}.${SENT_SECONDS}.1`) },
      /without the prefix/,
    ],
    [
      'another time',
      { timestamp: String(SENT_SECONDS + 61) },
      /the time is wrong: it was signed for 1800000000, and webhook-timestamp is 1800000061/,
    ],
    ['milliseconds', { timestamp: `${SENT_SECONDS}000` }, /in milliseconds: it should be in seconds/],
    ['a date', { timestamp: '2027-01-15T08:00:00Z' }, /which is a date/],
    [
      'signed milliseconds',
      { timestamp: `${SENT_SECONDS}000`, signature: hmac(BYTES, `${ID}.${SENT_SECONDS}000.${BODY}`) },
      /should be in seconds since 1970/,
    ],
    ['the body alone', { signature: hmac(BYTES, BODY) }, /covers only the body/],
    ['no id', { signature: hmac(BYTES, `${SENT_SECONDS}.${BODY}`) }, /without the id/],
    ['no header', { id: undefined, signature: ' ' }, /webhook-id is missing\nthe header webhook-signature is missing/],
  ])('%s', (_what, changes, message) => expect(said({ ...kept(), ...changes })).toMatch(message));
});

describe('the form of the signature', () => {
  const digest = createHmac('sha256', BYTES).update(`${ID}.${SENT_SECONDS}.${BODY}`).digest();
  test.each([
    [`sha256=${digest.toString('hex')}`, /hexadecimal/],
    [`v1,${digest.toString('hex')}`, /hexadecimal/],
    [digest.toString('base64'), /has no scheme/],
    ['v1,', /it should be v1, or v1a, and base64/],
  ])('%s', (signature, message) => expect(said(kept({ signature }))).toMatch(message));
});

test('if nothing matches, the expected signature is printed', () => {
  const other = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;
  const request = kept();
  expect(said(request, [other])).toContain(
    `With this secret the signature is ${new Webhook(other).sign(ID, new Date(SENT_SECONDS * 1000), BODY)}`,
  );
});
