import { expect, test } from 'vitest';
import { Prometheus } from '../kit/prometheus.ts';
import { ALERTS, panelQueries, RULES_TEXT } from './operate-files.ts';
import { busyScene } from './scenes/busy.ts';
import { diskScene } from './scenes/disk.ts';
import { identityScene } from './scenes/identity.ts';
import { lateScene } from './scenes/late.ts';
import { limitsScene } from './scenes/limits.ts';
import { restartsScene } from './scenes/restarts.ts';
import { subscriptionsScene } from './scenes/subscriptions.ts';
import { tlsScene } from './scenes/tls.ts';

/**
 * A real Prometheus reads hubs in trouble, with the rules of `operate/prometheus/alerts.yaml`. Only
 * the times of the rules are shorter: the unit tests beside the rules hold those.
 */
const RANGES: Readonly<Record<string, string>> = { '5m': '5s', '15m': '1m', '1h': '10s' };
const INTERVAL_MS = 700;
/** Long enough for rates of what happens once, also on a busy machine. */
const RATE_INTERVAL = '1m';

/** Queries that may stay 0 here: what should never happen, and what these hubs have no use for. */
const MAY_BE_ZERO = new Set([
  'Connections closed or refused by the hub: refused by address',
  'Connections closed or refused by the hub: HTTP/2 flood',
  'Log writable: writable',
]);

test('each alert fires for the hub in trouble, and each panel of the dashboard shows values', async () => {
  const scenes = await Promise.all([
    busyScene(),
    diskScene(),
    identityScene(),
    lateScene(),
    limitsScene(),
    restartsScene(),
    subscriptionsScene(),
    tlsScene(),
  ]);
  const prometheus = await Prometheus.start({
    targets: Object.fromEntries(scenes.map(({ name, url }) => [name, url])),
    rules: withShortTimes(RULES_TEXT),
    intervalMs: INTERVAL_MS,
  });
  await prometheus.untilRead(scenes.length);
  await Promise.all(
    scenes.map(({ name, provoke }) => provoke(async (alert) => (await prometheus.firedFor(alert)).includes(name))),
  );
  const provoked = new Set(scenes.flatMap(({ alerts }) => alerts));
  const onlyUnitTested = ALERTS.map(({ alert }) => alert).filter((alert) => !provoked.has(alert));
  expect(onlyUnitTested.filter((alert) => alert !== 'PolycastDiskFillsUp')).toEqual([]);

  const empty: string[] = [];
  const zero: string[] = [];
  for (const { panel, legend, expr } of panelQueries(RATE_INTERVAL)) {
    const values = (await prometheus.queryRange(expr, INTERVAL_MS / 1000)).flatMap((series) => series.values);
    const known = values.filter((value) => !Number.isNaN(value));
    if (known.length === 0) empty.push(`${panel}: ${legend}`);
    else if (!known.some((value) => value > 0) && !MAY_BE_ZERO.has(`${panel}: ${legend}`))
      zero.push(`${panel}: ${legend}`);
  }
  expect({ empty, zero }).toEqual({ empty: [], zero: [] });
});

/** The rules, with a second instead of each `for:`, and seconds instead of minutes in ranges. */
function withShortTimes(rules: string): string {
  return rules
    .replaceAll(/^( +for:) \w+$/gm, '$1 1s')
    .replaceAll(/\[(\w+)\]/g, (_match, range: string) => `[${RANGES[range] ?? fail(range)}]`);
}

function fail(range: string): never {
  throw new Error(`No short form of ${range}`);
}
