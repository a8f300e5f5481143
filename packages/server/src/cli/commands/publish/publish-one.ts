import type { Problem } from '@polycast/protocol';
import { CliError, type ExitName } from '../../exit-codes.ts';
import { authorization, keyHint, unreachable, type HubAddress } from '../../hub-address.ts';
import { describeProblem, readProblem } from '../../problem-document.ts';
import type { Terminal } from '../../terminal.ts';

export type OutputMode = 'json' | 'quiet' | 'people';

export interface OneEvent {
  readonly hub: HubAddress;
  readonly channel: string;
  readonly type: string | undefined;
  readonly idempotencyKey: string | undefined;
  readonly ifMatch: string | undefined;
  readonly contentType: string;
  readonly body: Buffer;
}

/** Publishes one event (PROTOCOL.md section 8.3); its data is sent byte for byte. */
export async function publishOne(event: OneEvent, mode: OutputMode, terminal: Terminal): Promise<ExitName> {
  const response = await post(event);
  const text = await response.text();
  if (!response.ok) {
    const problem = readProblem(text, response.status);
    if (mode === 'json') terminal.out(JSON.stringify(problem));
    throw new CliError(
      'failed',
      `refused: ${describeProblem(problem)}${hint(problem)}`,
      keyHint(event.hub, problem.code),
    );
  }
  const { id, channel } = JSON.parse(text) as { id: string; channel: string };
  const replayed =
    response.headers.get('idempotency-replayed') === 'true' ? terminal.style('dim', ' (published before)') : '';
  if (mode === 'json') terminal.out(text.trim());
  if (mode === 'people')
    terminal.out(`${terminal.style('green', 'published')} ${channel} ${terminal.style('dim', id)}${replayed}`);
  return 'done';
}

async function post({ hub, channel, type, idempotencyKey, ifMatch, contentType, body }: OneEvent): Promise<Response> {
  const headers = new Headers({ ...authorization(hub), 'content-type': contentType });
  if (type !== undefined) headers.set('polycast-type', type);
  if (idempotencyKey !== undefined) headers.set('idempotency-key', idempotencyKey);
  if (ifMatch !== undefined) headers.set('if-match', ifMatch);
  try {
    return await fetch(`${hub.url}/v1/channels/${channel}/events`, {
      method: 'POST',
      headers,
      body: new Uint8Array(body),
    });
  } catch (error) {
    throw unreachable(hub.url, error);
  }
}

function hint({ code, latest }: Problem): string {
  return code === 'precondition_failed' && typeof latest === 'string' ? ` The newest is ${latest}.` : '';
}
