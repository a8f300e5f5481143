import { spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../kit/folders.ts';
import { call } from '../kit/http.ts';
import { startHubProcess } from '../kit/hub-process.ts';
import { ALERTS, GUIDE_FILE, metricsIn, PANELS, panelQueries, RULES_FILE, UNIT_TESTS_FILE } from './operate-files.ts';

/** Series that Prometheus adds to those of a hub. */
const OF_PROMETHEUS = ['up'];

test('the dashboard and the alerts use only metrics that a hub has', async () => {
  const hub = await startHubProcess();
  const page = (await call(`${hub.url}/metrics`)).text;
  await hub.end('SIGKILL');
  const existing = new Set(OF_PROMETHEUS);
  for (const [, name = '', kind] of page.matchAll(/^# TYPE (\S+) (\S+)$/gm))
    for (const suffix of kind === 'histogram' ? ['_bucket', '_sum', '_count'] : ['']) existing.add(name + suffix);
  const expressions = [...ALERTS, ...panelQueries('5m')].map(({ expr }) => expr);
  const used = new Set(expressions.flatMap(metricsIn).map(({ metric }) => metric));
  expect(used.size).toBeGreaterThan(60);
  expect([...used].filter((name) => !existing.has(name))).toEqual([]);
});

test('the parser finds the metrics of an expression, and refuses what is not PromQL', () => {
  const expr = 'sum by (job) (rate(a_total{x="1",y=~"b"}[5m])) / on (job) b_bytes';
  expect(metricsIn(expr).map(({ metric }) => metric)).toEqual(['a_total', 'b_bytes']);
  expect(() => metricsIn('rate(a_total[5m]')).toThrow(SyntaxError);
});

test('each panel has a title, a description and a place of its own', () => {
  const panels = PANELS.filter(({ type }) => type !== 'row');
  expect(panels.filter(({ title, description = '' }) => title === '' || description.length < 20)).toEqual([]);
  expect(new Set(PANELS.map(({ id }) => id)).size).toBe(PANELS.length);
  const cells = PANELS.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, index) => `${x + (index % w)},${y + Math.floor(index / w)}`),
  );
  expect(new Set(cells).size).toBe(cells.length);
  expect(Math.max(...PANELS.map(({ gridPos: { x, w } }) => x + w))).toBeLessThanOrEqual(24);
});

test("Prometheus' linter accepts the alerts, and its unit tests fire each of them when it has lasted long enough", () => {
  const lint = spawnSync('promtool', ['check', 'rules', '--lint=all', '--lint-fatal', RULES_FILE], {
    encoding: 'utf8',
  });
  expect(lint.status, lint.stderr + lint.stdout).toBe(0);
  const tests = spawnSync('promtool', ['test', 'rules', UNIT_TESTS_FILE], { encoding: 'utf8' });
  expect(tests.status, tests.stderr + tests.stdout).toBe(0);
  const text = readFileSync(UNIT_TESTS_FILE, 'utf8');
  const fired = (alert: string): boolean => text.includes(`count(ALERTS{alertname="${alert}",alertstate="firing"})`);
  expect(ALERTS.filter(({ alert }) => !fired(alert)).map(({ alert }) => alert)).toEqual([]);
});

test("Prometheus accepts the guide's configuration", () => {
  const [, config = ''] = /```yaml\n(global:[^]*?)```/.exec(readFileSync(GUIDE_FILE, 'utf8')) ?? [];
  const folder = temporaryFolder('prometheus-config');
  const file = join(folder, 'prometheus.yml');
  writeFileSync(file, config);
  copyFileSync(RULES_FILE, join(folder, 'alerts.yaml'));
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'config', file], { encoding: 'utf8' });
  expect(status, stdout + stderr).toBe(0);
  expect(stdout).toContain(`${ALERTS.length} rules found`);
});

test('each alert has a section of its own in the guide, which its annotation names', () => {
  const guide = readFileSync(GUIDE_FILE, 'utf8');
  const sections = [...guide.matchAll(/^### (Polycast\w+)$/gm)].map(([, name]) => name);
  expect(sections).toEqual(ALERTS.map(({ alert }) => alert));
  for (const { alert, annotations } of ALERTS)
    expect(annotations.runbook).toBe(`docs/guides/monitoring.md#${alert.toLowerCase()}`);
});
