import { parseCursor, encodeCursor, type Gap, type PolycastEvent } from '@polycast/protocol';
import { read } from '../../hub/hub.ts';
import type { ListPage } from '../../parts/use-pages.ts';

/** A channel of the list. */
export interface ChannelState {
  readonly channel: string;
  readonly events: number;
  readonly bytes: number;
  readonly oldest: string | null;
  readonly latest: string | null;
}

/** A page of a channel's history, the oldest event first. */
export interface HistoryPage {
  readonly events: readonly PolycastEvent[];
  readonly previous: string | null;
  readonly next: string | null;
  readonly gaps: readonly Gap[];
}

/** Reads a page of channels. */
export async function listChannels(
  texts: { readonly prefix: string; readonly contains: string },
  after: string | undefined,
  signal: AbortSignal,
): Promise<ListPage<ChannelState>> {
  const query = new URLSearchParams({ ...texts, limit: '100', ...(after !== undefined && { after }) });
  const { channels, next } = await read<{ channels: readonly ChannelState[]; next: string | null }>(
    `channels?${query.toString()}`,
    signal,
  );
  return { items: channels, next };
}

/** Reads one channel of the list; `undefined` when it has no events. */
export async function readChannel(channel: string, signal: AbortSignal): Promise<ChannelState | undefined> {
  const query = new URLSearchParams({ match: channel, limit: '1' });
  const { channels } = await read<{ channels: readonly ChannelState[] }>(`channels?${query.toString()}`, signal);
  return channels[0];
}

export function readHistory(
  channel: string,
  query: Readonly<Record<string, string>>,
  signal?: AbortSignal,
): Promise<HistoryPage> {
  return read(`channels/${channel}/history?${new URLSearchParams(query).toString()}`, signal);
}

/**
 * Finds the cursor just before the first event at or after a time, by binary search over positions.
 * Among a million events this takes some twenty reads of one event.
 */
export async function cursorAt(channel: string, time: number, onStep: (step: number) => void): Promise<string | null> {
  const newest = await readHistory(channel, { limit: '1' });
  const last = newest.events.at(-1);
  const end = last === undefined ? undefined : parseCursor(last.id);
  if (last === undefined || end === undefined || Date.parse(last.time) < time) return last?.id ?? null;
  let low = 0;
  let high = end.position;
  for (let step = 1; high - low > 1; step++) {
    onStep(step);
    const middle = Math.floor((low + high) / 2);
    const page = await readHistory(channel, { limit: '1', after: encodeCursor(end.epoch, middle) });
    const [event] = page.events;
    if (event !== undefined && Date.parse(event.time) < time) low = parseCursor(event.id)?.position ?? middle;
    else high = middle;
  }
  return encodeCursor(end.epoch, low);
}
