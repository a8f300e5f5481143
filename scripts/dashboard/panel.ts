import {
  BigValueColorMode,
  BigValueGraphMode,
  FieldColorModeId,
  GraphDrawStyle,
  GraphThresholdsStyleMode,
  LegendDisplayMode,
  SortOrder,
  StackingMode,
  ThresholdsMode,
  TooltipDisplayMode,
  VisibilityMode,
  type FieldConfig,
  type GraphFieldConfig,
  type Panel,
  type Threshold,
  type ThresholdsConfig,
  type VizLegendOptions,
  type VizTooltipOptions,
} from '@grafana/schema';

/** A query of a panel in PromQL. */
export interface Query {
  readonly expr: string;
  /** The name of a series, with labels: `{{transport}}`. */
  readonly legend: string;
}

/** A panel of the dashboard, before it has a place. */
export interface PanelDefinition {
  readonly title: string;
  /** What the panel shows, and when to worry. */
  readonly description: string;
  /** A unit of Grafana: `s`, `bytes`, `short`, `reqps`, `percentunit`. */
  readonly unit: Unit;
  readonly queries: readonly Query[];
  /** One number instead of a graph. */
  readonly isSingle?: boolean;
  /** Areas on top of each other, for parts of a sum. */
  readonly isStacked?: boolean;
  /** From this value on a panel is orange, and from the second on red. */
  readonly thresholds?: readonly [warning: number, critical: number];
  /** For values that are bad when they are small. */
  readonly isLowBad?: boolean;
}

/** A row of panels under a title. */
export interface RowDefinition {
  readonly title: string;
  readonly panels: readonly PanelDefinition[];
}

type Unit = 's' | 'bytes' | 'Bps' | 'short' | 'ops' | 'percentunit' | 'dtdurations';

/** The label matchers of each query: the variables at the head of the dashboard. */
const SELECTED = 'job=~"$job",instance=~"$instance"';

/** A metric of the selected hubs. Example: `metric('polycast_sessions')`. */
export function metric(name: string, matchers = ''): string {
  return `${name}{${SELECTED}${matchers === '' ? '' : `,${matchers}`}}`;
}

/** The rate of a counter, summed by labels. */
export function rate(name: string, by: readonly string[] = ['instance'], matchers = ''): string {
  return `sum by (${by.join(', ')}) (rate(${metric(name, matchers)}[$__rate_interval]))`;
}

/** A quantile of a histogram. */
export function quantile(share: number, name: string): string {
  return `histogram_quantile(${share}, sum by (le) (rate(${metric(`${name}_bucket`)}[$__rate_interval])))`;
}

/** The 50th, 95th and 99th percentile of a histogram. */
export function percentiles(name: string): Query[] {
  return [0.5, 0.95, 0.99].map((share) => ({ expr: quantile(share, name), legend: `p${share * 100}` }));
}

/** The panel in Grafana's form. */
export function grafanaPanel(definition: PanelDefinition, id: number, gridPos: NonNullable<Panel['gridPos']>): Panel {
  const { title, description, queries, isSingle = false } = definition;
  return {
    id,
    type: isSingle ? 'stat' : 'timeseries',
    title,
    description,
    datasource: DATASOURCE,
    gridPos,
    targets: queries.map(({ expr, legend }, index) => ({
      refId: String.fromCharCode(65 + index),
      datasource: DATASOURCE,
      editorMode: 'code',
      expr,
      legendFormat: legend,
      range: !isSingle,
      instant: isSingle,
    })),
    fieldConfig: { defaults: isSingle ? numberStyle(definition) : graphStyle(definition), overrides: [] },
    options: isSingle ? NUMBER_OPTIONS : GRAPH_OPTIONS,
  };
}

const NUMBER_OPTIONS = {
  colorMode: BigValueColorMode.Value,
  graphMode: BigValueGraphMode.None,
  reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
};
const GRAPH_OPTIONS: { readonly legend: VizLegendOptions; readonly tooltip: VizTooltipOptions } = {
  legend: { displayMode: LegendDisplayMode.List, placement: 'bottom', showLegend: true, calcs: [] },
  tooltip: { mode: TooltipDisplayMode.Multi, sort: SortOrder.Descending },
};

/** The data source that is chosen at the head of the dashboard. */
export const DATASOURCE: { readonly type: string; readonly uid: string } = { type: 'prometheus', uid: '${datasource}' };

function thresholdsOf({ thresholds, isLowBad = false }: PanelDefinition): ThresholdsConfig {
  const steps = (): Threshold[] => {
    if (thresholds === undefined) return [{ color: 'green', value: null }];
    const [warning, critical] = thresholds;
    return isLowBad
      ? [
          { color: 'red', value: null },
          { color: 'orange', value: critical },
          { color: 'green', value: warning },
        ]
      : [
          { color: 'green', value: null },
          { color: 'orange', value: warning },
          { color: 'red', value: critical },
        ];
  };
  return { mode: ThresholdsMode.Absolute, steps: steps() };
}

function numberStyle(definition: PanelDefinition): FieldConfig {
  return {
    unit: definition.unit,
    thresholds: thresholdsOf(definition),
    color: { mode: FieldColorModeId.Thresholds },
  };
}

function graphStyle(definition: PanelDefinition): FieldConfig {
  const { unit, isStacked = false, thresholds } = definition;
  const custom: GraphFieldConfig = {
    drawStyle: GraphDrawStyle.Line,
    lineWidth: 1,
    fillOpacity: isStacked ? 30 : 8,
    showPoints: VisibilityMode.Never,
    spanNulls: false,
    stacking: { mode: isStacked ? StackingMode.Normal : StackingMode.None, group: 'A' },
    thresholdsStyle: {
      mode: thresholds === undefined ? GraphThresholdsStyleMode.Off : GraphThresholdsStyleMode.Dashed,
    },
  };
  return {
    unit,
    min: 0,
    thresholds: thresholdsOf(definition),
    color: { mode: FieldColorModeId.PaletteClassic },
    custom: { ...custom },
  };
}
