import { randomUUID } from 'node:crypto';
import { call } from '../kit/http.ts';
import type { Case, Captures, Observer } from './case.ts';
import { runConversation } from './run-conversation.ts';
import { runDialogue } from './run-dialogue.ts';
import { runExchange } from './run-exchange.ts';

/** A name for the run, so that it can be repeated against the same hub. */
const RUN = randomUUID().slice(0, 8);
let count = 0;

/**
 * Runs a case against a hub.
 * @param observe receives each WebSocket message, and each answer of a dialogue
 * @throws Error with the difference
 */
export async function runCase({ steps }: Case, hub: string, observe?: Observer): Promise<void> {
  const channel = `conformance.${RUN}.${count++}`;
  const rest = channel.slice('conformance.'.length);
  const captures: Captures = new Map([
    ['c', channel],
    ['key', `key-${rest}`],
    ...CHANNELS_WITH_RULES.map((name): [string, string] => [name, `conformance-${name}.${rest}`]),
  ]);
  for (const [index, step] of steps.entries()) {
    try {
      if ('request' in step) await runExchange(step, hub, captures);
      else if ('http' in step) await runDialogue(step, hub, captures, observe);
      else await runConversation(step, hub, captures, observe);
    } catch (error) {
      throw new Error(`step ${index + 1}: ${(error as Error).message}`, { cause: error });
    }
  }
}

/** Whether a hub has the rules that some cases need. */
export async function hasRules(hub: string): Promise<boolean> {
  const publish = (): Promise<{ status: number }> =>
    call(`${hub}/v1/channels/conformance-rated.probe-${RUN}/events`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: '1',
    });
  // The rate allows one a second, and the machine may pause for a second between two of them.
  const [, ...later] = [await publish(), await publish(), await publish()];
  return later.some(({ status }) => status === 429);
}

/** Channels for which `polycast.yaml` has rules: `{latest}` is one of `conformance-latest.>`. */
const CHANNELS_WITH_RULES = ['latest', 'ephemeral', 'short', 'rated'];
