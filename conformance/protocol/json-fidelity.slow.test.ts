import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Follower, TRANSPORTS } from '../kit/clients/followers.ts';
import { startHubProcess, type HubProcess } from '../kit/hub-process.ts';
import { call } from '../kit/http.ts';
import { eventsOf, type RawEvent } from '../kit/wire/raw-events.ts';
import { rawWebSocket, clientFrame } from '../kit/wire/raw-socket.ts';
import { until } from '../kit/wait.ts';

/** PROTOCOL.md section 3.2: a subscriber receives the published text, character for character. */
const RUNS = process.env['POLYCAST_HEAVY'] === undefined ? 1500 : 20_000;

/** JSON that a conversion into JavaScript's values would change. */
const DELICATE = [
  '-0',
  '0.0',
  '-0.0e-0',
  '12345678901234567890',
  '-98765432109876543210.12345678901234567890',
  '1e400',
  '-1E+400',
  '0.1e-7',
  '1e-400',
  '1.0',
  '100',
  '1E2',
  '0.1000000000000000055511151231257827021181583404541015625',
  '"\\u0041\\u00e9\\/\\b\\f\\n\\r\\t\\"\\\\"',
  '"é\u2028\u2029\u007f\u0085\ufeff\ufffe"',
  '"\\ud83d\\ude00😀"',
  '"\\ud800"',
  '"\\udc00\\ud800"',
  '"\\u0000"',
  '"</script><!--"',
  '""',
  '{"":{"":[]}}',
  '{"__proto__":{"x":1},"constructor":null,"toString":1}',
  '{"2":1,"1":2,"b":3,"a":4}',
  '{"id":"x","channel":"y","data":"z","op":"ready"}',
  '[ 1 ,\t2 , { "a" : [ ] } ]',
  '[]',
  '{ }',
  'null',
  'true',
  'false',
  '['.repeat(128) + ']'.repeat(128),
  '{"a":'.repeat(128) + '1' + '}'.repeat(128),
];

/**
 * Names that are repeated, with and without escapes. `JSON.parse` of Node.js 26 now and then takes
 * the first value of such a name, and not the last. So only the texts are compared.
 */
const REPEATED_NAMES = ['{"a":1,"a":2,"\\u0061":3}', '{"\\n":{"a":[]},"\\u000a":1,"\\u000A":"b"}'];

let hub: HubProcess;
beforeAll(async () => {
  hub = await startHubProcess();
});
afterAll(() => hub.end('SIGKILL'));

describe('the data that subscribers get', () => {
  const published = [...DELICATE, ...REPEATED_NAMES, ...fc.sample(jsonText(), RUNS)];

  test.each(['an object each', 'lines', 'an array', 'bare data', 'WebSocket operations'] as const)(
    'is the exact text that was published, by %s',
    async (way) => {
      const channel = `fidelity.${way.replaceAll(/\W/g, '-')}`;
      const followers = TRANSPORTS.map(
        (transport) => new Follower(hub.url, transport, { channels: [channel], after: 'earliest' }),
      );
      const texts = way === 'an object each' || way === 'bare data' ? published.slice(0, 300) : published;
      await PUBLISH[way](channel, texts);
      await until('all has come', () => followers.every(({ received }) => received.length >= texts.length));
      await Promise.all(followers.map((follower) => follower.stop()));
      const expected = texts.map(withoutLineBreaks);
      for (const [index, { received }] of followers.entries()) {
        expect(
          received.map(({ data }) => data),
          TRANSPORTS[index],
        ).toEqual(expected);
      }
      for (const { json, data } of followers[0]?.received ?? []) {
        if (REPEATED_NAMES.includes(data as string)) continue;
        expect((JSON.parse(json) as { data: unknown }).data).toEqual(JSON.parse(data as string));
      }
      expect(await history(channel)).toEqual(expected.slice(-1000));
    },
  );
});

describe('JSON that cannot be represented', () => {
  test.each([
    '{"a":\u00a01}',
    '"a\nb"',
    '"\t"',
    '01',
    '1.',
    '+1',
    'undefined',
    '[1,]',
    '"\\x41"',
    '"\\ud8"',
    '// no\n1',
    "'a'",
  ])('%j is refused', async (data) => {
    const { status, text } = await call(`${hub.url}/v1/events`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: `{"channel":"refused","data":${data}}`,
    });
    expect(status).toBe(400);
    expect(text).toContain('"code":"invalid_json"');
    const bare = await call(`${hub.url}/v1/channels/refused/events`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: data,
    });
    expect(bare.status).toBe(400);
  });
});

const PUBLISH: Readonly<
  Record<
    'an object each' | 'lines' | 'an array' | 'bare data' | 'WebSocket operations',
    (channel: string, texts: readonly string[]) => Promise<unknown>
  >
> = {
  async 'an object each'(channel, texts) {
    for (const text of texts) await post('/v1/events', 'application/json', `{"channel":"${channel}","data":${text}}`);
  },
  // A line contains no line break.
  lines: (channel, texts) =>
    post(
      '/v1/events',
      'application/x-ndjson',
      texts.map((text) => `{"channel":"${channel}","data":${withoutLineBreaks(text)}}`).join('\n'),
    ),
  'an array': (channel, texts) =>
    post(
      '/v1/events',
      'application/json',
      `[${texts.map((text) => `{"data":\n${text},"channel":"${channel}"}`).join(',')}]`,
    ),
  async 'bare data'(channel, texts) {
    for (const text of texts) await post(`/v1/channels/${channel}/events`, 'application/json', text);
  },
  async 'WebSocket operations'(channel, texts) {
    const raw = await rawWebSocket(hub.url);
    for (const [ref, text] of texts.entries())
      raw.send(clientFrame(1, Buffer.from(`{"op":"publish","ref":${ref},"channel":"${channel}","data":${text}}`)));
    await until('each is answered', () => raw.text.split('"ok":true').length > texts.length);
    raw.destroy();
  },
};

async function post(path: string, mediaType: string, body: string): Promise<void> {
  const { status, text } = await call(hub.url + path, { method: 'POST', headers: { 'Content-Type': mediaType }, body });
  if (status >= 300 || text.includes('"error"'))
    throw new Error(`${status} ${text.slice(0, 500)} for ${body.slice(0, 500)}`);
}

async function history(channel: string): Promise<readonly (string | undefined)[]> {
  const { text } = await call(`${hub.url}/v1/channels/${channel}/history?limit=1000`);
  return eventsOf(text).map(({ data }: RawEvent) => data);
}

function withoutLineBreaks(json: string): string {
  return json.replaceAll(/[\r\n][ \t\r\n]*/g, '');
}

/**
 * Any JSON value in any layout, strings written with and without escapes, numbers with any number
 * of digits.
 */
function jsonText(): fc.Arbitrary<string> {
  const space = fc.constantFrom('', '', '', ' ', '\n  ', '\r\n', '\t');
  const digits = fc.stringMatching(/^[0-9]{1,25}$/);
  const number = fc
    .tuple(
      fc.constantFrom('', '-'),
      fc.stringMatching(/^(?:0|[1-9][0-9]{0,24})$/),
      fc.option(digits),
      fc.option(fc.tuple(fc.constantFrom('e', 'E', 'e+', 'e-'), fc.stringMatching(/^[0-9]{1,3}$/))),
    )
    .map(
      ([sign, whole, fraction, exponent]) =>
        sign + whole + (fraction === null ? '' : `.${fraction}`) + (exponent === null ? '' : exponent.join('')),
    );
  const escape = fc.oneof(
    fc.constantFrom('\\n', '\\"', '\\\\', '\\/', '\\b', '\\ud800', '\\uDFFF'),
    fc.stringMatching(/^[0-9a-fA-F]{4}$/).map((hex) => `\\u${hex}`),
  );
  const plain = fc.string({ unit: 'grapheme', maxLength: 8 }).map((text) => JSON.stringify(text).slice(1, -1));
  const string = fc.array(fc.oneof(plain, escape), { maxLength: 4 }).map((parts) => `"${parts.join('')}"`);
  const { value } = fc.letrec<{ value: string }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      fc.oneof(number, string, fc.constantFrom('true', 'false', 'null')),
      fc
        .array(
          fc.tuple(space, tie('value'), space).map((parts) => parts.join('')),
          { maxLength: 4 },
        )
        .map((items) => `[${items.join(',')}]`),
      fc
        .uniqueArray(fc.tuple(space, string, space, tie('value'), space), {
          maxLength: 4,
          selector: ([, name]) => JSON.parse(name) as string,
        })
        .map((members) => `{${members.map(([a, name, b, item, c]) => `${a}${name}${b}:${item}${c}`).join(',')}}`),
    ),
  }));
  return value;
}
