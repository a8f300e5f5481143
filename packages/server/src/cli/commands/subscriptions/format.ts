import type { Input } from '../../command.ts';
import { pasteable } from '../../pasteable.ts';
import { printable, type Terminal } from '../../terminal.ts';
import type { ShownAttempt, ShownSubscription } from './subscription-command.ts';

/** The line of a subscription in a list. */
export function subscriptionLine(subscription: ShownSubscription, { style }: Terminal): string {
  const { id, name, state, channels, delivery, backlog } = subscription;
  const waiting = [
    backlog.lagEvents > 0 ? `${backlog.lagEvents} behind` : '',
    backlog.failing > 0 ? `${backlog.failing} failing` : '',
    backlog.nextAttempt === null ? '' : `next attempt ${backlog.nextAttempt}`,
    backlog.deadLetters > 0 ? `${backlog.deadLetters} dead` : '',
  ].filter((part) => part !== '');
  return [
    style('cyan', id),
    style(colourOf(state), state.padEnd(9)),
    ...(name === null ? [] : [style('bold', name)]),
    delivery.url ?? 'pull',
    channels.join(' '),
    style('dim', waiting.join(', ')),
  ]
    .join('  ')
    .trimEnd();
}

/** Prints all members of a subscription. */
export function showSubscription(subscription: ShownSubscription, input: Input, terminal: Terminal): void {
  const { out, style } = terminal;
  if (input.flag('json')) return out(JSON.stringify(subscription));
  for (const [name, value] of Object.entries(subscription)) {
    if (value === null || isEmpty(value)) continue;
    const text = printable(typeof value === 'object' ? textOf(value) : String(value));
    out(`${style('dim', name.padEnd(16))}${name === 'state' ? style(colourOf(text), text) : text}`);
  }
  const { nextAttempt } = subscription.backlog;
  if (nextAttempt === null) return;
  out(`${style('dim', 'next attempt'.padEnd(16))}${nextAttempt}`);
  terminal.notice(
    terminal.noticeStyle('dim', pasteable(`To attempt it now: polycast subscriptions resume ${subscription.id}`)),
  );
}

/** The line of an attempt, with its outcome. */
export function attemptLine(attempt: ShownAttempt, { style }: Terminal): string {
  const { started, event, count, outcome, detail, response, timing } = attempt;
  const what = event === null ? kindOf(attempt) : count > 1 ? `${event} and ${count - 1} more` : event;
  const status = response === null ? '' : ` ${response.status}`;
  return [
    style('dim', started),
    what,
    `attempt ${attempt.attempt}`,
    style(outcome === 'delivered' ? 'green' : 'red', `${outcome}${status}`),
    `${timing.totalMs} ms`,
    style('dim', printable(detail)),
  ]
    .join('  ')
    .trimEnd();
}

/**
 * The kind of a request without an event. Verification requests are recognised by their headers
 * (PROTOCOL.md section 14.5).
 */
function kindOf({ gap, request: { headers } }: ShownAttempt): 'gap' | 'question' | 'sample' {
  if (gap) return 'gap';
  const isQuestion =
    headers['webhook-id']?.startsWith('verify_') === true ||
    headers['webhook-request-origin'] !== undefined ||
    headers['x-hook-secret'] !== undefined;
  return isQuestion ? 'question' : 'sample';
}

function colourOf(state: string): 'green' | 'yellow' | 'red' {
  if (state === 'active') return 'green';
  return state === 'paused' || state === 'pending' ? 'yellow' : 'red';
}

function textOf(value: object): string {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
    ? value.join(' ')
    : JSON.stringify(value);
}

function isEmpty(value: unknown): boolean {
  return value === '' || (typeof value === 'object' && value !== null && Object.keys(value).length === 0);
}
