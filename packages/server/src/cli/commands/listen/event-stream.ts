import { setTimeout as sleep } from 'node:timers/promises';
import { createSseParser, type Gap, type PolycastEvent, type SseFrame } from '@polycast/protocol';
import { authorization, keyHint, unreachable, type HubAddress } from '../../hub-address.ts';
import { CliError } from '../../exit-codes.ts';
import { describeProblem, readProblem } from '../../problem-document.ts';

export interface EventStreamOptions {
  readonly patterns: readonly string[];
  readonly types: readonly string[];
  readonly after: string | undefined;
}

export interface EventStreamListener {
  /** Called for each event; the next one follows when its promise has resolved. */
  event(event: PolycastEvent, text: string): Promise<void> | undefined;
  gap(gap: Gap): void;
  /** Called when the stream is open: no event is missed from now on. */
  open(): void;
  lost(why: string): void;
}

const RETRY_MS = 1000;
const RETRY_MS_MAX = 30_000;
/** A stream is dead after this much silence: two heartbeats of the hub's default, and a margin. */
const SILENCE_MS = 60_000;

/**
 * Reads a hub's event stream (PROTOCOL.md section 6), each event as its original text, which the
 * SDK does not store. After a lost connection it resumes from its cursor, until the signal aborts.
 * @throws CliError when it cannot reach a hub at first, or the hub refuses
 */
export async function readEvents(
  hub: HubAddress,
  options: EventStreamOptions,
  listener: EventStreamListener,
  signal: AbortSignal,
): Promise<void> {
  const position = { after: options.after ?? 'now', hasOpened: false, failures: 0 };
  while (!signal.aborted) {
    try {
      await readStream(hub, options, listener, position, signal);
      position.failures = 0;
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof CliError) throw error;
      if (!position.hasOpened) throw unreachable(hub.url, error);
      listener.lost(((error as { cause?: Error }).cause ?? (error as Error)).message);
      position.failures += 1;
    }
    const delayMs = Math.min(RETRY_MS * 2 ** Math.max(0, position.failures - 1), RETRY_MS_MAX);
    await sleep(delayMs, undefined, { signal }).catch(() => undefined);
  }
}

interface StreamPosition {
  after: string;
  hasOpened: boolean;
  failures: number;
}

/** Reads one stream to its end. */
async function readStream(
  hub: HubAddress,
  options: EventStreamOptions,
  listener: EventStreamListener,
  position: StreamPosition,
  signal: AbortSignal,
): Promise<void> {
  const silence = new AbortController();
  const timer = setTimeout(() => silence.abort(new Error('the hub stopped sending')), SILENCE_MS);
  try {
    const response = await fetch(addressOf(hub, options, position.after), {
      headers: { ...authorization(hub), accept: 'text/event-stream' },
      redirect: 'error',
      signal: AbortSignal.any([signal, silence.signal]),
    });
    if (!response.ok) await handleRefusal(response, hub, position);
    const parser = createSseParser();
    for await (const bytes of response.body as ReadableStream<Uint8Array>) {
      timer.refresh();
      for (const frame of parser.feed(bytes)) {
        await dispatchFrame(frame, listener, position);
        timer.refresh();
      }
    }
  } finally {
    clearTimeout(timer);
  }
}

function addressOf(hub: HubAddress, { patterns, types }: EventStreamOptions, after: string): string {
  const query = new URLSearchParams({ after });
  for (const pattern of patterns) query.append('channel', pattern);
  for (const type of types) query.append('type', type);
  return `${hub.url}/v1/events?${query}`;
}

/** Handles a refusal: a retryable one is retried if the stream was open before. */
async function handleRefusal(response: Response, hub: HubAddress, { hasOpened }: StreamPosition): Promise<never> {
  const problem = readProblem(await response.text(), response.status);
  if (hasOpened && problem.retryable) throw new Error(describeProblem(problem));
  throw new CliError('failed', `refused: ${describeProblem(problem)}`, keyHint(hub, problem.code));
}

async function dispatchFrame(frame: SseFrame, listener: EventStreamListener, position: StreamPosition): Promise<void> {
  if (frame.kind === 'retry') return;
  if (frame.kind === 'message') {
    const { event, data } = frame;
    if (event === 'polycast.ready') {
      position.hasOpened = true;
      position.failures = 0;
      listener.open();
    }
    if (event === 'polycast.gap') listener.gap(JSON.parse(data) as Gap);
    if (event === 'message') await listener.event(JSON.parse(data) as PolycastEvent, data);
  }
  if (frame.id !== '') position.after = frame.id;
}
