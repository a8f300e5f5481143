import { createInterface } from 'node:readline/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { JSON_DOCUMENT, usageError, type Command } from '../../command.ts';
import { CliError } from '../../exit-codes.ts';
import { HUB_ADDRESS_OPTIONS, hubAddress, type HubAddress } from '../../hub-address.ts';
import { requestHub } from '../../hub-request.ts';
import { formatCounted } from '../../quantities.ts';
import type { Terminal } from '../../terminal.ts';

/** The path of each kind of erasure. */
const PATHS: Readonly<Record<string, (name: string) => string>> = {
  user: (name) => `/v1/users/${encodeURIComponent(name)}/data`,
  channel: (name) => `/v1/channels/${encodeURIComponent(name)}`,
  event: (name) => `/v1/events/${encodeURIComponent(name)}`,
};

/** What goes, in the words of the question. */
const CONSEQUENCES: Readonly<Record<string, string>> = {
  user: 'The private messages of this user, and all events that the user published, are erased permanently.',
  channel: 'All events of this channel are erased permanently.',
  event: 'This event is erased permanently.',
};

/** The interval of requests for the progress. */
const PROGRESS_INTERVAL_MS = 200;

interface ErasureView {
  readonly id: string;
  readonly state: 'pending' | 'running' | 'finished';
  readonly events: number;
  readonly progress: number;
}

export const erase: Command = {
  name: 'erase',
  summary: 'Erases the data of a user, a channel or an event permanently.',
  usage: '<user|channel|event> <name>',
  argumentsMin: 2,
  argumentsMax: 2,
  details:
    'The hub erases the events in its log, in memory, in queues, in dead letters and in stored attempts. It overwrites their bytes in its files. The command asks you to type the name, and waits until the hub has finished. When you interrupt it, the hub continues. Backups from before still have the events. The key needs the scope admin.',
  options: {
    ...HUB_ADDRESS_OPTIONS,
    yes: { short: 'y', doc: 'Does not ask.' },
    json: JSON_DOCUMENT,
  },
  examples: [
    { command: 'polycast erase user ann', description: 'all data of a user' },
    { command: 'polycast erase channel orders.42 --yes', description: 'all events of a channel, without a question' },
  ],
  async run(input, terminal) {
    const [kind = '', name = ''] = input.arguments;
    const path = PATHS[kind]?.(name);
    if (path === undefined) throw usageError(erase, `"${kind}" is not one of ${Object.keys(PATHS).join(', ')}`);
    if (name === '') throw usageError(erase, 'the name is empty');
    if (!input.flag('yes')) await confirm(kind, name, terminal);
    const hub = hubAddress(input);
    const requested = (await requestHub(hub, 'DELETE', path)) as ErasureView;
    const finished = await waitUntilFinished(hub, requested, terminal);
    const text = `${terminal.style('green', 'erased')} ${kind} ${name}: ${formatCounted(finished.events, 'event')}`;
    terminal.out(input.flag('json') ? JSON.stringify(finished) : text);
    return 'done';
  },
};

/** @throws CliError when another name is typed, or nobody can type one */
async function confirm(kind: string, name: string, terminal: Terminal): Promise<void> {
  if (process.stdin.isTTY !== true)
    throw new CliError(
      'usage',
      'standard input is not a terminal, so nobody can confirm',
      'Use --yes to erase without a question',
    );
  terminal.notice(CONSEQUENCES[kind] ?? '');
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  const typed = await prompt.question(`Type ${name} to confirm: `).finally(() => prompt.close());
  if (typed !== name) throw new CliError('failed', 'that is another name: nothing was erased');
}

async function waitUntilFinished(hub: HubAddress, requested: ErasureView, terminal: Terminal): Promise<ErasureView> {
  let erasure = requested;
  while (erasure.state !== 'finished') {
    terminal.progress(`erasing: ${Math.floor(100 * erasure.progress)} %, ${formatCounted(erasure.events, 'event')}`);
    await sleep(PROGRESS_INTERVAL_MS);
    erasure = (await requestHub(hub, 'GET', `/v1/erasures/${requested.id}`)) as ErasureView;
  }
  terminal.clearProgress();
  return erasure;
}
