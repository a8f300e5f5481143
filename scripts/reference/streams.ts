import { asyncApiDocument } from '../../packages/server/src/streams/asyncapi/document.ts';
import { EVENT_STREAMS } from '../../packages/server/src/streams/event-streams.ts';
import type { JsonSchema } from '../../packages/server/src/http/route-description.ts';
import { code, page, table } from './markdown.ts';
import { form } from './shape.ts';

const STREAMS = Object.values(EVENT_STREAMS).map(({ description }) => description);

/** The parts of the document that the page shows. */
interface Message {
  readonly name: string;
  readonly summary: string;
  readonly payload: JsonSchema;
}

/** docs/reference/streams.md */
export function streamsPage(): string {
  const { components } = asyncApiDocument('') as { components: { messages: Readonly<Record<string, Message>> } };
  const all = Object.entries(components.messages);
  const answers = new Map(all.filter(([key]) => key.endsWith('-answer')));
  const operations = all.filter(([key]) => answers.has(`${key}-answer`));
  const control = Map.groupBy(
    all.filter(([key]) => key.includes('-') && !answers.has(key) && !answers.has(`${key}-answer`)),
    ([key]) => key.slice(key.indexOf('-') + 1),
  );
  return page(
    'Messages of streams',
    'the tables of messages in `packages/server/src/streams/asyncapi`',
    'A running hub serves the same content as AsyncAPI 3.0 at `/asyncapi.json`, with a schema for each message. [PROTOCOL.md](../../PROTOCOL.md) is the normative text.',
    'Each transport carries the same messages in its own form. An [event](http.md#shape-event) has the same bytes on all of them:',
    table(
      ['', 'WebSocket', ...STREAMS.map(({ title }) => title)],
      [
        ['an event', 'a text message without `op`', ...STREAMS.map(({ eventForm }) => eventForm)],
        ['a control message', '`{"op":"gap", …}`', ...STREAMS.map(({ gapForm }) => gapForm)],
        ['an operation of the client', '`{"op":"subscribe","ref":1, …}`', ...STREAMS.map(() => 'none')],
      ],
    ),
    '## Messages of the hub',
    ...[...control].map(([op, messages]) => controlEntry(op, messages)),
    '## Operations',
    'A client of a WebSocket sends operations. Each has a `ref` of the client\'s choice, and is answered once with the same `op` and `ref`. The answer has `"ok":true` and the members below, or `"ok":false` and an `error`, a [Problem](http.md#shape-problem).',
    ...operations.map(([key, message]) => operationEntry(message, answers.get(`${key}-answer`) as Message)),
  );
}

function controlEntry(op: string, messages: readonly (readonly [string, Message])[]): string {
  const transports = messages.map(([key]) => code(key.slice(0, key.indexOf('-')))).join(', ');
  const [, { summary, payload }] = messages[0] as readonly [string, Message];
  return [`### ${op}`, summary, `On ${transports}.`, members(payload)].join('\n\n');
}

function operationEntry({ name, summary, payload }: Message, answer: Message): string {
  const [accepted = {}] = answer.payload['anyOf'] as readonly JsonSchema[];
  return [`### ${name} operation`, summary, members(payload), '**Answer**', members(accepted)].join('\n\n');
}

/** The members beside `op`, `ref` and `ok`. */
function members(schema: JsonSchema): string {
  const { properties = {}, required = [] } = schema as {
    readonly properties?: Readonly<Record<string, JsonSchema>>;
    readonly required?: readonly string[];
  };
  const rows = Object.entries(properties)
    .filter(([name]) => !['op', 'ref', 'ok'].includes(name))
    .map(([name, each]) => [
      code(name),
      form(each).replaceAll('](#shape-', '](http.md#shape-'),
      [required.includes(name) ? 'Always.' : '', (each['description'] as string | undefined) ?? ''].join(' ').trim(),
    ]);
  return rows.length === 0 ? 'It has no further members.' : table(['member', 'form', ''], rows);
}
