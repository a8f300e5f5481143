import { setTimeout as sleep } from 'node:timers/promises';
import type { Gap, PolycastEvent } from '@polycast/protocol';
import { authorization, keyHint, unreachable, type HubAddress } from '../../hub-address.ts';
import { CliError } from '../../exit-codes.ts';
import { describeProblem, readProblem } from '../../problem-document.ts';

export interface EventStreamOptions {
  readonly patterns: readonly string[];
  readonly types: readonly string[];
  readonly after: string | undefined;
}

export interface EventStreamListener {
  /** The next one comes when this has resolved. */
  event(event: PolycastEvent, text: string): Promise<void> | undefined;
  gap(gap: Gap): void;
  /** It reads: from now on nothing is missed. */
  open(): void;
  lost(why: string): void;
}

const RETRY_MS = 1000;
const RETRY_MS_MAX = 30_000;
/** A stream that has said nothing for this long is dead: two heartbeats by the hub's default, and a little. */
const SILENCE_MS = 60_000;

/**
 * Reads a hub's stream of events (PROTOCOL.md section 6), each as the text that it is, which the SDK does not keep. Goes on where it was
 * after each lost connection, until the signal.
 * @throws CliError when no hub can be reached at first, or it refuses
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

/** Until the stream ends. */
async function readStream(
  hub: HubAddress,
  options: EventStreamOptions,
  listener: EventStreamListener,
  position: StreamPosition,
  signal: AbortSignal,
): Promise<void> {
  const silence = new AbortController();
  const timer = setTimeout(() => silence.abort(new Error('the hub has fallen silent')), SILENCE_MS);
  try {
    const response = await fetch(addressOf(hub, options, position.after), {
      headers: { ...authorization(hub), accept: 'text/event-stream' },
      redirect: 'error',
      signal: AbortSignal.any([signal, silence.signal]),
    });
    if (!response.ok) await handleRefusal(response, hub, position);
    const stream = (response.body as ReadableStream<BufferSource>).pipeThrough(new TextDecoderStream());
    for await (const frame of parseFrames(stream, () => timer.refresh())) {
      await dispatchFrame(frame, listener, position);
      timer.refresh();
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

/** What can be otherwise in a moment is tried again, once it was otherwise before. */
async function handleRefusal(response: Response, hub: HubAddress, { hasOpened }: StreamPosition): Promise<never> {
  const problem = readProblem(await response.text(), response.status);
  if (hasOpened && problem.retryable) throw new Error(describeProblem(problem));
  throw new CliError('failed', `refused: ${describeProblem(problem)}`, keyHint(hub, problem.code));
}

interface Frame {
  readonly name: string;
  readonly id: string | undefined;
  readonly data: string | undefined;
}

/** As a hub writes them: lines that end with \n, one `data:` each. A heartbeat may be a comment alone, which is no frame. */
async function* parseFrames(stream: AsyncIterable<string>, onPiece: () => void): AsyncGenerator<Frame> {
  let rest = '';
  for await (const piece of stream) {
    onPiece();
    const frames = (rest + piece).split('\n\n');
    rest = frames.pop() as string;
    for (const frame of frames) {
      const fields = new Map(
        frame.split('\n').map((line) => /^(\w*): ?(.*)$/s.exec(line)?.slice(1) as [string, string]),
      );
      yield { name: fields.get('event') ?? '', id: fields.get('id'), data: fields.get('data') };
    }
  }
}

async function dispatchFrame(
  { name, id, data }: Frame,
  listener: EventStreamListener,
  position: StreamPosition,
): Promise<void> {
  if (name === 'polycast.ready') {
    position.hasOpened = true;
    position.failures = 0;
    listener.open();
  }
  if (name === 'polycast.gap') listener.gap(JSON.parse(data as string) as Gap);
  if (name === '' && data !== undefined) await listener.event(JSON.parse(data) as PolycastEvent, data);
  if (id !== undefined) position.after = id;
}
