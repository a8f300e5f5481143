import { ERRORS } from '@polycast/protocol';
import { call, type Reply } from '../kit/http.ts';
import { pause } from '../kit/wait.ts';
import type { Answer, Exchange, Captures } from './case.ts';
import { fill, matchesText, mismatch } from './placeholders.ts';

const TIMEOUT_MS = 30_000;
const RETRY_DELAY_MS = 50;

/**
 * Sends a request, repeatedly if the effect is asynchronous.
 * @throws Error
 */
export async function runExchange(exchange: Exchange, hub: string, captures: Captures): Promise<void> {
  const endMs = performance.now() + TIMEOUT_MS;
  for (;;) {
    try {
      return await sendRequest(exchange, hub, captures);
    } catch (error) {
      if (exchange.eventually === undefined || performance.now() > endMs) throw error;
      await pause(RETRY_DELAY_MS);
    }
  }
}

/** Sends a request and compares its answer. @throws Error */
async function sendRequest(
  { request, headers = {}, body, answer }: Exchange,
  hub: string,
  captures: Captures,
): Promise<void> {
  const [method = '', target = ''] = fill(request, captures).split(' ');
  const filled = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, fill(value, captures)]));
  const content =
    body === undefined
      ? undefined
      : body instanceof Uint8Array
        ? body
        : fill(typeof body === 'string' ? body : JSON.stringify(body), captures);
  const typed =
    body === undefined || typeof body === 'string' || body instanceof Uint8Array
      ? {}
      : { 'Content-Type': 'application/json' };
  const reply = await call(hub + target, {
    method,
    headers: { ...typed, ...filled },
    ...(content === undefined ? {} : { body: content }),
  });
  compare(answer, reply, captures);
}

function compare({ status, headers = {}, text, json, code }: Answer, reply: Reply, captures: Captures): void {
  const shown = `${reply.status} ${reply.text.slice(0, 300)}`;
  if (reply.status !== status) throw new Error(`answered ${shown}, not ${status}`);
  for (const [name, expected] of Object.entries(headers)) {
    const value = reply.headers[name.toLowerCase()];
    if (
      expected === null ? value !== undefined : value === undefined || !matchesText(expected, String(value), captures)
    ) {
      throw new Error(`header ${name} is ${String(value)}, not ${expected}`);
    }
  }
  if (text !== undefined && !matchesText(text, reply.text, captures)) throw new Error(`answered ${shown}, not ${text}`);
  if (json !== undefined) {
    const problem = mismatch(json, reply.json(), captures);
    if (problem !== undefined) throw new Error(`${problem}: ${shown}`);
  }
  if (code !== undefined) checkProblem(code, reply);
}

/** A refusal is a problem document of the catalogue (PROTOCOL.md section 9). */
function checkProblem(code: keyof typeof ERRORS, { status, headers, text }: Reply): void {
  const kind = ERRORS[code];
  if (!String(headers['content-type']).startsWith('application/problem+json'))
    throw new Error(`not a problem document: ${text}`);
  const { title, retryable } = kind;
  const found = JSON.parse(text) as Record<string, unknown>;
  for (const [member, expected] of Object.entries({ code, title, retryable, status: kind.status })) {
    if (found[member] !== expected)
      throw new Error(`${member} is ${String(found[member])}, not ${String(expected)}: ${text}`);
  }
  if (typeof found['type'] !== 'string') throw new Error(`no type: ${text}`);
  if ((status === 429 || status === 503) && !/^\d+$/.test(headers['retry-after'] ?? ''))
    throw new Error('no Retry-After');
}
