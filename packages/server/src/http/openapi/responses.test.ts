import { createRequire } from 'node:module';
import type { Ajv, ValidateFunction } from 'ajv';
import type { FormatsPlugin } from 'ajv-formats';
import type { ErrorCode } from '@polycast/protocol';
import { expect, test } from 'vitest';
import { openTriedHub, tryOperation, type Trial } from '../../testing/operation-trials.ts';
import { openSubscriptionHub } from '../../testing/subscription-hub.ts';
import type { JsonSchema } from '../route-description.ts';
import { COMMON_ERRORS } from './errors.ts';
import { describeApi, type ApiDescription, type Operation } from './operations.ts';

/** Examples and real responses match the schemas that the API description shows for them. */
const require = createRequire(import.meta.url);

function validator({ schemas }: ApiDescription): (schema: JsonSchema, value: unknown) => readonly unknown[] {
  const library = require('ajv/dist/2020.js') as { default: typeof Ajv };
  const formats = require('ajv-formats') as { default: FormatsPlugin };
  const compiler = new library.default({ strict: false });
  formats.default(compiler);
  const compiled = new Map<JsonSchema, ValidateFunction>();
  return (schema, value) => {
    let validate = compiled.get(schema);
    if (validate === undefined) {
      validate = compiler.compile({ ...schema, components: { schemas } });
      compiled.set(schema, validate);
    }
    return validate(value) === true
      ? []
      : (validate.errors ?? []).map(({ instancePath, message }) => [instancePath, message]);
  };
}

test('every JSON body and response has an example, which matches its schema', async () => {
  const hub = await openSubscriptionHub({ access: 'rules' });
  const api = describeApi(hub.routes);
  const validate = validator(api);
  for (const { operationId, bodies, responses } of api.operations)
    for (const { mediaType, schema, example } of [...bodies, ...responses.flatMap(({ contents }) => contents)]) {
      if (!/[/+]json$/.test(mediaType)) continue;
      expect([operationId, mediaType, example]).not.toEqual([operationId, mediaType, undefined]);
      expect([operationId, mediaType, validate(schema, example)]).toEqual([operationId, mediaType, []]);
    }
});

test('every operation responds as its description says', async () => {
  const tried = await openTriedHub();
  const { operations } = tried.api;
  const validate = validator(tried.api);
  expect(Object.keys(tried.trials).toSorted()).toEqual(operations.map(({ operationId }) => operationId).toSorted());
  for (const [operationId, trial] of Object.entries(tried.trials)) {
    const { status = 200 } = trial;
    const operation = operations.find((each) => each.operationId === operationId);
    if (operation === undefined) throw new Error(operationId);
    const response = await tryOperation(tried, operation, trial);
    const text = await response.text();
    expect([operationId, response.status, text]).toEqual([operationId, status, text]);
    const described = operation.responses.find((each) => each.status === status);
    const mediaType = response.headers.get('content-type');
    const content = described?.contents.find((each) => each.mediaType === mediaType);
    if (mediaType !== 'application/json' || content === undefined) continue;
    expect([operationId, text, validate(content.schema, JSON.parse(text))]).toEqual([operationId, text, []]);
  }
});

/** Values that no parameter takes, or that mean something else in another one. */
const STRANGE_VALUES = ['', ' ', '..', 'a..b', '>', 'é', '-1', '0', '1e3', '9'.repeat(30), '{', '[]', 'x'.repeat(2000)];

/** Values of a member of a body that its schema may not allow. */
const STRANGE_MEMBERS = [null, '', '..', -1, 1.5, 1e30, true, [], [null], [''], {}, { x: null }, 'x'.repeat(300)];

test('an operation refuses a text in its query that the schema of the parameter does not allow', async () => {
  const tried = await openTriedHub();
  const validate = validator(tried.api);
  const taken: string[] = [];
  let refused = 0;
  for (const operation of tried.api.operations)
    for (const { name, in: place, schema } of operation.parameters) {
      if (place !== 'query') continue;
      for (const value of STRANGE_VALUES) {
        // A number, and one of several values, are texts in a query.
        if ([value, Number(value), [value]].some((each) => validate(schema, each).length === 0)) continue;
        // An EventSource without a position sends an empty one.
        if (name === 'lastEventId' && value === '') continue;
        const { path = operation.path, ...trial } = tried.trials[operation.operationId] ?? {};
        const [target, query] = path.split('?');
        const changed = new URLSearchParams(query);
        changed.set(name, value);
        const { status } = await tryOperation(tried, operation, { ...trial, path: `${target}?${changed}` });
        if (status < 400) taken.push(`${operation.operationId} ${name}=${value.slice(0, 40)}`);
        else refused++;
      }
    }
  expect(taken).toEqual([]);
  expect(refused).toBeGreaterThan(100);
});

test('an operation refuses a strange value with an error that its description names', async () => {
  const tried = await openTriedHub();
  const undocumented = new Set<string>();
  let refused = 0;
  for (const operation of tried.api.operations) {
    const { operationId, errors } = operation;
    for (const trial of strangeTrials(operation, tried.trials[operationId])) {
      const response = await tryOperation(tried, operation, trial);
      const text = await response.text();
      if (response.status < 400) continue;
      refused++;
      const { code } = JSON.parse(text) as { code: ErrorCode };
      if (![...COMMON_ERRORS, ...errors].includes(code))
        undocumented.add(`${operationId} ${code}: ${trial.path?.slice(0, 200)} ${JSON.stringify(trial.body)}`);
    }
  }
  expect([...undocumented]).toEqual([]);
  expect(refused).toBeGreaterThan(1_000);
});

/** The trial of an operation with one parameter or one member of its body changed. */
function* strangeTrials(operation: Operation, trial: Trial = {}): Generator<Trial> {
  const { path: template, parameters, bodies } = operation;
  const [path = '', query = ''] = (trial.path ?? template).split('?');
  for (const { name, in: place } of parameters)
    for (const value of STRANGE_VALUES)
      if (place === 'query') {
        const changed = new URLSearchParams(query);
        changed.set(name, value);
        yield { ...trial, path: `${path}?${changed}` };
      } else if (place === 'path' && value !== '' && value !== '..') {
        const at = template.split('/').indexOf(`{${name}}`);
        const changed = path.split('/').with(at, encodeURIComponent(value)).join('/');
        yield { ...trial, path: query === '' ? changed : `${changed}?${query}` };
      }
  const json = bodies.find(({ mediaType }) => mediaType === 'application/json');
  if (json === undefined) return;
  for (const body of ['', '{', '[]', 'null', '{"a":1,"a":2}']) yield { ...trial, body };
  const example = Object(json.example) as object;
  for (const name of Object.keys(example)) {
    // Left out.
    yield { ...trial, body: { ...example, [name]: undefined } };
    for (const value of STRANGE_MEMBERS) yield { ...trial, body: { ...example, [name]: value } };
  }
}
