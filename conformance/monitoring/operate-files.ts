import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parser } from '@prometheus-io/lezer-promql';
import { parse } from 'yaml';

const ROOT = join(import.meta.dirname, '../..');
export const RULES_FILE: string = join(ROOT, 'operate/prometheus/alerts.yaml');
export const UNIT_TESTS_FILE: string = join(ROOT, 'operate/prometheus/alerts.test.yaml');
export const GUIDE_FILE: string = join(ROOT, 'docs/guides/monitoring.md');
const DASHBOARD_FILE = join(ROOT, 'operate/grafana/polycast.json');

export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly description: string; readonly runbook: string };
}

export interface PanelQuery {
  readonly panel: string;
  readonly legend: string;
  readonly expr: string;
}

/** A use of a metric in an expression, with the labels that it names there. */
export interface MetricUse {
  readonly metric: string;
  readonly labels: readonly string[];
}

interface DashboardPanel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
}

export const RULES_TEXT: string = readFileSync(RULES_FILE, 'utf8');
export const ALERTS: readonly AlertRule[] = (
  parse(RULES_TEXT) as { groups: readonly { rules: readonly AlertRule[] }[] }
).groups.flatMap(({ rules }) => rules);
export const PANELS: readonly DashboardPanel[] = (
  JSON.parse(readFileSync(DASHBOARD_FILE, 'utf8')) as { panels: readonly DashboardPanel[] }
).panels;

/** The queries of all panels, with values for the variables of the dashboard. */
export function panelQueries(rateInterval: string): readonly PanelQuery[] {
  return PANELS.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr, legendFormat }) => ({
      panel: title,
      legend: legendFormat,
      expr: expr.replaceAll('$__rate_interval', rateInterval).replaceAll('$job', '.*').replaceAll('$instance', '.*'),
    })),
  );
}

/**
 * The metrics that an expression reads, by Prometheus' own grammar.
 * @throws SyntaxError if it is not PromQL
 */
export function metricsIn(expr: string): readonly MetricUse[] {
  const uses: { metric: string; labels: string[] }[] = [];
  parser.parse(expr).iterate({
    enter({ type, from, to }) {
      const text = expr.slice(from, to);
      if (type.isError) throw new SyntaxError(`Not PromQL at ${from}: ${expr}`);
      if (type.name === 'Identifier') uses.push({ metric: text, labels: [] });
      if (type.name === 'LabelName') uses.at(-1)?.labels.push(text);
    },
  });
  return uses;
}
