import type { Problem } from '@polycast/protocol';
import { authorization, keyHint, unreachable, type HubAddress } from './hub-address.ts';
import { CliError } from './exit-codes.ts';
import { describeProblem, readProblem } from './problem-document.ts';

/**
 * Sends an operator's request; returns the hub's answer, `undefined` when it has no body.
 * @param hintOf a further hint for a refusal
 * @param signal ends the request, which then rejects as for a hub that does not answer
 * @throws CliError when the hub refuses
 */
export async function requestHub(
  hub: HubAddress,
  method: string,
  path: string,
  body?: object,
  headers: Readonly<Record<string, string>> = {},
  hintOf: (problem: Problem) => string | undefined = () => undefined,
  signal?: AbortSignal,
): Promise<unknown> {
  const { response, text } = await send(hub, method, path, body, headers, signal);
  if (response.ok) return text === '' ? undefined : parseExactly(text);
  const problem = readProblem(text, response.status);
  const { retryAfterMs } = problem;
  throw new CliError(
    'failed',
    `refused: ${describeProblem(problem)}`,
    hintOf(problem),
    keyHint(hub, problem.code),
    typeof retryAfterMs === 'number' ? `Try again in ${Math.ceil(retryAfterMs / 1000)} s` : undefined,
  );
}

/**
 * Parses JSON, and preserves the text of numbers that a double cannot hold. So the output prints a
 * number exactly as it was published.
 */
function parseExactly(text: string): unknown {
  return JSON.parse(text, (_name, value: unknown, context?: { readonly source?: string }) =>
    typeof value === 'number' && context?.source !== undefined && String(value) !== context.source
      ? RAW.rawJSON(context.source)
      : value,
  ) as unknown;
}

/** TypeScript's types do not have `rawJSON` yet. */
const RAW = JSON as unknown as { rawJSON(source: string): unknown };

async function send(
  hub: HubAddress,
  method: string,
  path: string,
  body: object | undefined,
  extraHeaders: Readonly<Record<string, string>>,
  signal: AbortSignal | undefined,
): Promise<{ readonly response: Response; readonly text: string }> {
  const headers = {
    ...authorization(hub),
    ...(body !== undefined && { 'content-type': 'application/json' }),
    ...extraHeaders,
  };
  try {
    // A redirect would send the key to another server.
    const response = await fetch(hub.url + path, {
      method,
      headers,
      redirect: 'error',
      ...(body !== undefined && { body: JSON.stringify(body) }),
      ...(signal !== undefined && { signal }),
    });
    return { response, text: await response.text() };
  } catch (error) {
    throw unreachable(hub.url, error);
  }
}
