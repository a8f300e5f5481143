import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSseParser } from '@polycast/protocol';
import { Ajv, type ValidateFunction } from 'ajv';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { CASES } from '../cases/index.ts';
import { startHubProcess, type HubProcess } from '../kit/hub-process.ts';
import type { Observer } from '../suite/case.ts';
import { runCase } from '../suite/run-case.ts';
import { readTranscripts } from '../suite/transcripts.ts';

/**
 * `/asyncapi.json` and the frames of a real hub. Each frame of the golden transcripts, and of the
 * other cases with streams, is valid against the schema of its message.
 */
interface Document {
  readonly channels: Readonly<Record<string, { readonly messages: object }>>;
  readonly components: { readonly messages: Readonly<Record<string, object>> };
}

let hub: HubProcess;
let document: Document;
let ajv: Ajv;

beforeAll(async () => {
  const config = parse(readFileSync(join(import.meta.dirname, '../polycast.yaml'), 'utf8')) as Record<string, unknown>;
  hub = await startHubProcess({ config });
  document = (await (await fetch(`${hub.url}/asyncapi.json`)).json()) as Document;
  ajv = new Ajv({ strict: false, formats: { 'date-time': true, uri: true } });
  ajv.addSchema(document, 'asyncapi');
});
afterAll(() => hub.end('SIGKILL'));

const transcripts = readTranscripts();
const names = new Set(transcripts.map(({ name }) => name));
const others = CASES.filter(
  ({ name, steps }) => !names.has(name) && steps.some((step) => 'webSocket' in step || 'http' in step),
);

test('each frame of the golden transcripts is valid against its schema', async () => {
  const seen = await check(transcripts);
  expect([...seen].toSorted()).toEqual(
    expect.arrayContaining([
      'event',
      'sse-gap',
      'sse-heartbeat',
      'sse-ready',
      'websocket-heartbeat',
      'websocket-publish',
      'websocket-publish-answer',
      'websocket-ready',
      'websocket-subscribe-answer',
    ]),
  );
});

test('so is each frame of the other cases with streams', async () => {
  expect(others.length).toBeGreaterThan(5);
  expect((await check(others)).size).toBeGreaterThan(5);
});

test('a frame with a member of another type, or without one, is not valid', () => {
  const ready = { op: 'ready', cursor: '0t24qj92dx-00000000001', session: 'a', heartbeatMs: 25_000 };
  expect(validatorOf('websocket-ready')(ready)).toBe(true);
  expect(validatorOf('websocket-ready')({ ...ready, heartbeatMs: 'often' })).toBe(false);
  expect(validatorOf('websocket-ready')({ ...ready, cursor: undefined })).toBe(false);
});

/** Runs cases. Returns the names of the messages that were seen. */
async function check(cases: typeof transcripts): Promise<ReadonlySet<string>> {
  const seen = new Set<string>();
  for (const each of cases) {
    const requests = new Map<unknown, object>();
    await runCase(each, hub.url, (sent) => {
      for (const { name, payload } of messagesIn(sent)) {
        if (sent.from === 'client') requests.set(refOf(payload), payload);
        else {
          assertValid(name, payload);
          seen.add(name);
        }
        // The hub has accepted the operation, so it is valid too.
        const request = requests.get(refOf(payload));
        if (sent.from === 'hub' && request !== undefined && 'ok' in payload && payload.ok === true) {
          const operation = `websocket-${(payload as { op?: string }).op}`;
          assertValid(operation, request);
          seen.add(operation);
        }
      }
    });
  }
  return seen;
}

/** A message by its name in the document. */
interface Named {
  readonly name: string;
  readonly payload: object;
}

function messagesIn({ transport, from, text }: Parameters<Observer>[0]): Named[] {
  if (transport === 'websocket') return from === 'client' ? clientMessage(text) : [webSocketMessage(text)];
  const bodyAt = text.indexOf('\r\n\r\n') + 4;
  if (!/^content-type: text\/event-stream/im.test(text.slice(0, bodyAt))) return [];
  return createSseParser()
    .feed(Buffer.from(text.slice(bodyAt)))
    .flatMap((frame) =>
      frame.kind === 'message' ? [{ name: streamName(frame.event), payload: JSON.parse(frame.data) as object }] : [],
    );
}

/** `polycast.gap` is the message `sse-gap`; an event of the log has no name. */
function streamName(event: string): string {
  return event === 'message' || event === '' ? 'event' : `sse-${event.replace('polycast.', '')}`;
}

function webSocketMessage(text: string): Named {
  const payload = JSON.parse(text) as { op?: string; ok?: boolean };
  if (payload.op === undefined) return { name: 'event', payload };
  const isAnswer = payload.op !== 'error' && payload.ok !== undefined;
  return { name: `websocket-${payload.op}${isAnswer ? '-answer' : ''}`, payload };
}

/** Some cases send what is no message at all. */
function clientMessage(text: string): Named[] {
  try {
    return [{ name: 'operation', payload: JSON.parse(text) as object }];
  } catch {
    return [];
  }
}

function refOf(payload: object): unknown {
  return typeof payload === 'object' && payload !== null && 'ref' in payload ? payload.ref : undefined;
}

function assertValid(name: string, payload: object): void {
  const validate = validatorOf(name);
  if (!validate(payload)) throw new Error(`${name}: ${ajv.errorsText(validate.errors)}: ${JSON.stringify(payload)}`);
}

function validatorOf(name: string): ValidateFunction {
  if (document.components.messages[name] === undefined) throw new Error(`the document has no message ${name}`);
  return ajv.compile({ $ref: `asyncapi#/components/messages/${name}/payload` });
}
