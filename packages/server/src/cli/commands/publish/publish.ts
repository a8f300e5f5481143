import { isChannel } from '@polycast/protocol';
import { JSON_LINES, usageError, type Command, type Input } from '../../command.ts';
import { CliError } from '../../exit-codes.ts';
import { HUB_ADDRESS_OPTIONS, hubAddress } from '../../hub-address.ts';
import { publishOne } from './publish-one.ts';
import { publishStream } from './publish-stream.ts';
import { readStandardInput } from '../../input.ts';

export const publish: Command = {
  name: 'publish',
  summary: 'Publishes one event, or a stream of events.',
  usage: '[channel] [data]',
  argumentsMin: 0,
  argumentsMax: 2,
  details:
    'It publishes JSON data unchanged, and other text as a JSON string. Without data it reads standard input. With --file each line is one event: an object with channel and data, or only the data if a channel is given.',
  options: {
    ...HUB_ADDRESS_OPTIONS,
    type: { value: 'TYPE', short: 't', doc: 'The type of the event.' },
    file: { value: 'FILE', short: 'f', doc: 'Publishes each line of an NDJSON file; - means standard input.' },
    text: { doc: 'Publishes the data as text, even if it looks like JSON.' },
    'content-type': { value: 'TYPE', doc: 'Publishes the data as bytes with this media type.' },
    'idempotency-key': {
      value: 'KEY',
      doc: 'Repeating the command with the same key within 24 h publishes no event twice.',
    },
    'if-match': { value: 'CURSOR', doc: "Publishes only if this is the id of the channel's newest event." },
    json: JSON_LINES,
    quiet: { short: 'q', doc: 'Prints errors only.' },
  },
  examples: [
    { command: `polycast publish orders.42 '{"state":"baked"}' --type order.baked`, description: 'one event' },
    { command: 'date | polycast publish clock', description: 'the output of another program' },
    { command: 'polycast publish --file events.ndjson', description: 'a file of {"channel":…,"data":…} lines' },
    {
      command: 'tail -f app.log.json | polycast publish logs.app --file -',
      description: 'each new line, to one channel',
    },
    { command: 'polycast publish images.cat --content-type image/png < cat.png', description: 'bytes' },
  ],
  async run(input, terminal) {
    const [channel, data] = input.arguments;
    if (channel !== undefined && !isChannel(channel)) {
      throw usageError(
        publish,
        `"${channel}" is not a channel: use tokens of A-Z a-z 0-9 _ - joined by dots, such as orders.42`,
      );
    }
    const file = input.text('file');
    if (file !== undefined) {
      checkFileOptions(input, data);
      return publishStream(
        {
          hub: hubAddress(input),
          file,
          channel,
          type: input.text('type'),
          idempotencyKey: input.text('idempotency-key'),
        },
        mode(input),
        terminal,
      );
    }
    if (channel === undefined) throw usageError(publish, 'name a channel, or a --file');
    const body = encodeData(data === undefined ? await readData(input) : Buffer.from(data), input);
    const options = {
      hub: hubAddress(input),
      channel,
      type: input.text('type'),
      idempotencyKey: input.text('idempotency-key'),
      ifMatch: input.text('if-match'),
    };
    return publishOne({ ...options, ...body }, mode(input), terminal);
  },
};

function mode(input: Input): 'json' | 'quiet' | 'people' {
  if (input.flag('quiet')) return 'quiet';
  return input.flag('json') ? 'json' : 'people';
}

function checkFileOptions(input: Input, data: string | undefined): void {
  if (data !== undefined) throw usageError(publish, 'data and --file exclude each other');
  for (const option of ['content-type', 'if-match'] as const) {
    if (input.text(option) !== undefined)
      throw usageError(publish, `--${option} applies to one event and cannot be combined with --file`);
  }
  if (input.flag('text')) throw usageError(publish, '--text applies to one event and cannot be combined with --file');
}

const DATA_HINT = 'Pass it as an argument, or pipe it: date | polycast publish clock';

/** @throws CliError `usage` for empty input: it is more often a failed pipe than an event */
async function readData(input: Input): Promise<Buffer> {
  const data = await readStandardInput(DATA_HINT);
  const isExplicit = input.flag('text') || input.text('content-type') !== undefined;
  if (isExplicit || !/^(?:\r?\n)?$/.test(data.toString('latin1'))) return data;
  throw new CliError(
    'usage',
    'there is no data: standard input is empty',
    `${DATA_HINT}; use --text to publish an empty text`,
  );
}

/** Sends JSON character for character; other text becomes a JSON string. */
function encodeData(data: Buffer, input: Input): { readonly body: Buffer; readonly contentType: string } {
  const mediaType = input.text('content-type');
  if (mediaType !== undefined) return { body: data, contentType: mediaType };
  const text = data.toString('utf8').replace(/\r?\n$/, '');
  if (!input.flag('text') && isJson(text)) return { body: Buffer.from(text), contentType: 'application/json' };
  if (!input.flag('text') && /^\s*[[{"]/.test(text)) {
    throw new CliError(
      'usage',
      'the data begins like JSON but is not valid JSON',
      'Correct it, or publish it as text with --text',
    );
  }
  return { body: Buffer.from(JSON.stringify(text)), contentType: 'application/json' };
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
