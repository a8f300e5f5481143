import type { LabConfig, WireRecord } from './model/records.ts';

/** The page's clock: milliseconds since 1970 with fractions. */
export function pageNowMs(): number {
  return performance.timeOrigin + performance.now();
}

export type FeedState = 'connecting' | 'open' | 'lost';

export interface WireFeed {
  readonly config: LabConfig;
  close(): void;
}

/**
 * Follows what the hub's side of the wires tells. The hub may be on another machine, behind a tunnel: its times are
 * moved to the page's clock.
 */
export async function openWireFeed(onRecord: (record: WireRecord) => void, onState: (state: FeedState) => void): Promise<WireFeed> {
  const config = (await (await fetch('/lab/api/config')).json()) as LabConfig;
  const aheadMs = await hubAheadMs();
  const stream = new EventSource('/lab/api/wire');
  stream.onopen = () => onState('open');
  stream.onerror = () => {
    onState('lost');
    if (stream.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 2000);
  };
  stream.onmessage = ({ data }) => onRecord(moved(JSON.parse(data) as WireRecord, aheadMs));
  return { config, close: () => stream.close() };
}

function moved(record: WireRecord, aheadMs: number): WireRecord {
  const atMs = record.atMs - aheadMs;
  return record.kind === 'fault' ? { ...record, atMs, untilMs: record.untilMs - aheadMs } : { ...record, atMs };
}

/** How far the hub's clock is ahead of the page's, by the quickest of several round trips. */
async function hubAheadMs(): Promise<number> {
  let best = { roundTripMs: Number.POSITIVE_INFINITY, aheadMs: 0 };
  for (let trial = 0; trial < 5; trial++) {
    const askedAtMs = pageNowMs();
    const { nowMs } = (await (await fetch('/lab/api/clock', { cache: 'no-store' })).json()) as { nowMs: number };
    const roundTripMs = pageNowMs() - askedAtMs;
    if (roundTripMs < best.roundTripMs) best = { roundTripMs, aheadMs: nowMs - (askedAtMs + roundTripMs / 2) };
  }
  return best.aheadMs;
}
