import type { LabConfig, WireRecord } from './model/records.ts';

/** The page's clock: milliseconds since 1970 with fractions. */
export function pageNowMs(): number {
  return performance.timeOrigin + performance.now();
}

export type FeedState = 'connecting' | 'open' | 'lost';

/** The delay before another request to a hub that answers without the stream. */
const REOPEN_MS = 1000;

interface FeedOptions {
  readonly onRecord: (record: WireRecord) => void;
  readonly onState: (state: FeedState) => void;
}

/**
 * Follows the records of the hub's wires. The hub may be on another machine, behind a tunnel, so
 * their times are converted to the page's clock.
 */
export async function openWireFeed({ onRecord, onState }: FeedOptions): Promise<LabConfig> {
  const config = await readConfig();
  const aheadMs = await hubAheadMs();
  let lastId = '';
  const open = (): void => {
    const stream = new EventSource(`/lab/api/wire?after=${lastId}`);
    stream.addEventListener('open', () => {
      onState('open');
      void reloadIfMoved(config);
    });
    stream.addEventListener('error', () => {
      onState('lost');
      if (stream.readyState === EventSource.CLOSED) setTimeout(open, REOPEN_MS);
    });
    stream.addEventListener('message', ({ data, lastEventId }) => {
      lastId = lastEventId;
      onRecord(moved(JSON.parse(data) as WireRecord, aheadMs));
    });
  };
  open();
  return config;
}

async function readConfig(): Promise<LabConfig> {
  return (await (await fetch('/lab/api/config')).json()) as LabConfig;
}

/**
 * A restarted process has other ports, which this page's Content-Security-Policy does not allow.
 */
async function reloadIfMoved({ lanes }: LabConfig): Promise<void> {
  const found = await readConfig().catch(() => undefined);
  if (found !== undefined && JSON.stringify(found.lanes) !== JSON.stringify(lanes)) location.reload();
}

function moved(record: WireRecord, aheadMs: number): WireRecord {
  const atMs = record.atMs - aheadMs;
  return record.kind === 'fault' ? { ...record, atMs, untilMs: record.untilMs - aheadMs } : { ...record, atMs };
}

/**
 * How far the hub's clock is ahead of the page's clock, from the quickest of several round trips.
 */
async function hubAheadMs(): Promise<number> {
  let best = { roundTripMs: Number.POSITIVE_INFINITY, aheadMs: 0 };
  for (let trial = 0; trial < 5; trial++) {
    const askedAtMs = pageNowMs();
    const { nowMs } = (await (await fetch('/lab/api/clock')).json()) as { nowMs: number };
    const roundTripMs = pageNowMs() - askedAtMs;
    if (roundTripMs < best.roundTripMs) best = { roundTripMs, aheadMs: nowMs - (askedAtMs + roundTripMs / 2) };
  }
  return best.aheadMs;
}
