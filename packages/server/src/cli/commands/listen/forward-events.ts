import { isUtf8 } from 'node:buffer';
import type { BodyFormat, Secret } from '../../../subscriptions/state/definition.ts';
import type { Filter } from '../../../subscriptions/state/filter.ts';
import { GAP_REASONS, type Gap, type PolycastEvent } from '@polycast/protocol';
import { localTime } from '../../event-format.ts';
import type { ExitName } from '../../exit-codes.ts';
import type { HubAddress } from '../../hub-address.ts';
import { printable, type Terminal } from '../../terminal.ts';
import { DeliveryHints } from './delivery-hints.ts';
import { DeliveryQueue, type Delivery } from './delivery-queue.ts';
import { readEvents, type EventStreamOptions } from './event-stream.ts';
import { localRequest, send, type LocalAnswer, type LocalRequest } from './local-request.ts';

export interface ListenOptions extends EventStreamOptions {
  readonly forward: string | undefined;
  readonly format: BodyFormat;
  /** Further headers of each request; names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly filter: Filter | undefined;
  readonly secrets: readonly Secret[];
  /** The secret is new and for this run only, so it has to be shown. */
  readonly isSecretNew: boolean;
  readonly print: boolean;
  readonly json: boolean;
  /** The number of events to forward; Infinity for no limit. */
  readonly countMax: number;
}

/** The most characters of an answer that are shown behind its line. */
const ANSWER_LENGTH_MAX = 120;

/** Forwards events until `countMax` is reached, the hub refuses, or a signal arrives. */
export async function forwardEvents(hub: HubAddress, options: ListenOptions, terminal: Terminal): Promise<ExitName> {
  const stopping = new AbortController();
  const hints = new DeliveryHints(options, terminal);
  const deliveryQueue = new DeliveryQueue(async (delivery) => {
    const answer = await deliver(delivery, options, terminal);
    if (answer !== undefined) hints.onAnswer(answer);
    return answer;
  });
  const end = (): void => stopping.abort();
  process.once('SIGINT', end).once('SIGTERM', end);
  const keys = listenForKeys(deliveryQueue, end);
  let count = 0;
  try {
    await readEvents(
      hub,
      options,
      {
        async event(event, text) {
          if (count >= options.countMax || !matchesFilter(event, options)) return;
          await deliveryQueue.accept(event, text);
          if (++count >= options.countMax) end();
        },
        gap: (gap) => reportGap(gap, terminal),
        open: createGreeting(options, terminal),
        lost: (why) => terminal.notice(terminal.noticeStyle('yellow', `${why}; retrying`)),
      },
      stopping.signal,
    );
    return 'done';
  } finally {
    // Also after a refusal of the hub: the events that it has sent are delivered.
    await deliveryQueue.settled();
    keys.close();
    if (deliveryQueue.completedThrough !== undefined && count < options.countMax)
      terminal.notice(
        terminal.noticeStyle('dim', `to continue: the same command with --after ${deliveryQueue.completedThrough}`),
      );
  }
}

/** Applies the filter as the hub does: to the event without its id (PROTOCOL.md section 14.1). */
function matchesFilter({ id: _id, ...event }: PolycastEvent, { filter }: ListenOptions): boolean {
  return filter === undefined || filter(event);
}

function createGreeting(options: ListenOptions, { notice, noticeStyle }: Terminal): () => void {
  let isGreeted = false;
  return () => {
    if (isGreeted) return notice(noticeStyle('dim', 'listening again'));
    isGreeted = true;
    const { patterns, forward, secrets, isSecretNew } = options;
    notice(`listening for ${patterns.join(' ')}${forward === undefined ? '' : `; forwarding to ${forward}`}`);
    if (isSecretNew)
      notice(
        `signed with ${noticeStyle('cyan', (secrets[0] as Secret).text)}, a temporary secret; use --secret to keep one`,
      );
    if (forward !== undefined)
      notice(noticeStyle('dim', 'Press the letter before a delivery to send it again, and Ctrl-C to stop.'));
  };
}

/** Reads single keys from a terminal, or all characters from another input. */
function listenForKeys(deliveryQueue: DeliveryQueue, end: () => void): { close(): void } {
  const { stdin } = process;
  const onKeys = (keys: Buffer): void => {
    for (const key of keys.toString()) {
      // In raw mode Ctrl-C and Ctrl-D are ordinary keys.
      if (key === '\u0003' || key === '\u0004') end();
      else void deliveryQueue.resend(key);
    }
  };
  const isTerminal = stdin.isTTY;
  if (isTerminal) stdin.setRawMode(true);
  stdin.on('error', () => undefined).on('data', onKeys);
  return {
    close() {
      if (isTerminal) stdin.setRawMode(false);
      stdin.off('data', onKeys).pause();
      stdin.unref?.();
    },
  };
}

async function deliver(
  delivery: Delivery,
  options: ListenOptions,
  terminal: Terminal,
): Promise<LocalAnswer | undefined> {
  const { forward, format, headers, secrets, print, json } = options;
  delivery.attempts += 1;
  const endpoint = { url: forward ?? 'http://localhost/', format, headers, secrets };
  const request = localRequest(endpoint, delivery.event, delivery.text);
  const answer = forward === undefined ? undefined : await send(request);
  if (json) terminal.out(JSON.stringify(deliveryRecord(delivery, request, answer)));
  else {
    // With `--print` only the requests go to standard output, so that a file can store them
    // unchanged.
    const { out, style } = print ? { out: terminal.notice, style: terminal.noticeStyle } : terminal;
    if (answer !== undefined) out(deliveryLine(delivery, answer, style));
    if (print) terminal.outBytes(rawRequest(request));
  }
  await terminal.drained();
  return answer;
}

/** `a 12:01:02.123 orders.42 order.baked 204 in 12 ms` */
function deliveryLine({ resendKey, event, attempts }: Delivery, answer: LocalAnswer, style: Terminal['style']): string {
  const { time, channel, type } = event;
  const { status, why, text, durationMs } = answer;
  const isGood = status !== undefined && status >= 200 && status < 300;
  const parts = [style('bold', resendKey), style('dim', localTime(time)), style('cyan', channel)];
  if (type !== undefined) parts.push(style('magenta', printable(type)));
  if (attempts > 1) parts.push(`attempt ${attempts}:`);
  parts.push(style(isGood ? 'green' : 'red', status === undefined ? why : String(status)));
  parts.push(style('dim', `in ${durationMs < 10 ? durationMs.toFixed(1) : Math.round(durationMs)} ms`));
  if (!isGood && text !== '') parts.push(printable(text.slice(0, ANSWER_LENGTH_MAX).trim()));
  return parts.join(' ');
}

/**
 * The request as it goes over the wire, and as `webhook verify` reads it. Its `content-length`
 * shows that the line break after the body is not part of it.
 */
function rawRequest({ url, headers, body }: LocalRequest): Buffer {
  const { pathname, search, host } = new URL(url);
  const all = Object.entries({ host, ...headers, 'content-length': body.length });
  const head = [`POST ${pathname}${search} HTTP/1.1`, ...all.map(([name, value]) => `${name}: ${value}`), '', ''];
  return Buffer.concat([Buffer.from(head.join('\n')), body, Buffer.from('\n')]);
}

function deliveryRecord({ event, attempts }: Delivery, request: LocalRequest, answer: LocalAnswer | undefined): object {
  const { headers, body } = request;
  return {
    event: event.id,
    channel: event.channel,
    attempt: attempts,
    headers,
    ...(isUtf8(body) ? { body: Buffer.from(body).toString() } : { body_base64: Buffer.from(body).toString('base64') }),
    answer: answer ?? null,
  };
}

function reportGap({ from, to, reason }: Gap, { notice, noticeStyle }: Terminal): void {
  notice(noticeStyle('yellow', `gap: events after ${from} up to ${to} cannot be delivered: ${GAP_REASONS[reason]}`));
}
