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
    'The guide [Monitoring](../guides/monitoring.md) says which of them to watch, and has a dashboard and alerts.',
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
