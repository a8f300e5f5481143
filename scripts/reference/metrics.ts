import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseConfig } from '../../packages/server/src/config/parse.ts';
import { startHub } from '../../packages/server/src/main.ts';
import { code, page, table } from './markdown.ts';

interface Metric {
  readonly name: string;
  readonly help: string;
  kind: string;
  /** `transport="sse"`, for the labels that a new hub shows. */
  readonly labels: Set<string>;
}

/** docs/reference/metrics.md: the answer of a new hub at `/metrics`. */
export async function metricsPage(): Promise<string> {
  const metrics = parse(await ask());
  return page(
    'Metrics',
    '`packages/server/src/operate/hub-metrics.ts`',
    'A hub answers `GET /metrics` in the text format of Prometheus. Counters begin at 0 with each start. Histograms have the usual `_bucket`, `_sum` and `_count`.',
    table(
      ['metric', 'kind', 'means', 'labels'],
      metrics.map(({ name, kind, help, labels }) => [code(name), kind, help, [...labels].map(code).join(' ')]),
    ),
    '## What to watch',
    '- `polycast_log_writable` is 0: publishers get `503`; the disk is full or fails.\n- `polycast_publish_to_durable_seconds`: how long publishers wait for the disk.\n- `rate(polycast_log_reads_total)` beside `rate(polycast_tail_hits_total)`: many reads of the log mean that consumers are farther behind than `delivery.tailBytesMax` reaches.\n- `polycast_reader_max_lag_events`: how far the slowest consumer is behind.\n- `polycast_append_queue_bytes` near `limits.appendQueueBytesMax`: events are published faster than the disk can store them.\n- `polycast_site_failing` is 1: the identity site does not answer, and the hub refuses new users.\n- `polycast_jwks_age_seconds` far above `identity.jwksRefreshSeconds`: the keys of an issuer cannot be fetched; after `identity.jwksKeptSeconds` the hub refuses its tokens.\n- `rate(polycast_token_checks_total{outcome="refused"})` or `rate(polycast_key_checks_total{outcome="refused"})` far above the usual rate: a possible attack, or a server with an old key.\n- `polycast_subscriptions{state="suspended"}` is not 0: an endpoint has failed for days; `polycast subscriptions list --state suspended` shows which.\n- `polycast_subscription_max_lag_seconds{state="active"}` grows: an endpoint or workers are slower than the publishers; near the limits of retention, it loses events and receives a gap.\n- `polycast_subscription_max_lag_events{state="active"}` grows: the same in events, including those that wait behind a failing event.\n- `rate(polycast_dead_letters_total)` is not 0: events become dead letters; read and retry them.\n- `rate(polycast_webhook_retries_total)` beside `rate(polycast_webhook_requests_total)`: the share of repeated work. The `outcome` of `polycast_webhook_requests_total` shows the reason.\n- `polycast_webhook_duration_seconds`: the response time of endpoints; near their timeout of 15 s the hub slows them down.\n- `polycast_webhook_requests_waiting` stays above 0: `outgoing.connectionsMax` or `outgoing.connectionsPerHostMax` limits the deliveries.\n- `rate(polycast_pull_lease_ends_total{outcome="expired"})` is not 0: workers crash, or take longer than their leases without extending them.',
  );
}

async function ask(): Promise<string> {
  const data = await mkdtemp(join(tmpdir(), 'polycast-metrics-'));
  const hub = await startHub(
    parseConfig({ listen: '127.0.0.1:0', access: 'loopback', data, logging: { level: 'silent' } }),
  );
  try {
    return await (await fetch(`${hub.url}/metrics`)).text();
  } finally {
    await hub.close();
    await rm(data, { recursive: true });
  }
}

function parse(text: string): Metric[] {
  const metrics = new Map<string, Metric>();
  for (const line of text.split('\n')) {
    const [, word, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (word === 'HELP') metrics.set(name, { name, help: rest, kind: '', labels: new Set() });
    const metric = metrics.get(name);
    if (word === 'TYPE' && metric !== undefined) metric.kind = rest;
    const [, sampled = '', labels = ''] = /^(\w+)\{([^}]*)\}/.exec(line) ?? [];
    if (labels !== '') metrics.get(sampled)?.labels.add(labels);
  }
  return [...metrics.values()];
}
