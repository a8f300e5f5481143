import type { Dashboard, Panel, RowPanel } from '@grafana/schema';
import { DATASOURCE, grafanaPanel, type RowDefinition } from './panel.ts';
import { OPERATION_ROWS } from './operation-rows.ts';
import { TRAFFIC_ROWS } from './traffic-rows.ts';

export const ROWS: readonly RowDefinition[] = [...TRAFFIC_ROWS, ...OPERATION_ROWS];

/** Grafana's grid has 24 columns; single numbers and graphs have these sizes. */
const COLUMNS = 24;
const SINGLE = { w: 4, h: 4 };
const GRAPH = { w: 8, h: 8 };

/** operate/grafana/polycast.json, for the import of Grafana 11 and later. */
export function dashboardPage(): string {
  const dashboard: Dashboard = {
    uid: 'polycast',
    title: 'Polycast',
    description: 'Hubs of Polycast: traffic, latency, connections, log, subscriptions, identity and process.',
    tags: ['polycast'],
    schemaVersion: 39,
    editable: true,
    graphTooltip: 1,
    refresh: '30s',
    time: { from: 'now-1h', to: 'now' },
    timezone: 'browser',
    annotations: { list: [] },
    templating: {
      list: [
        { name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus', refresh: 1 },
        labelVariable('job', 'Job', 'label_values(polycast_build_info, job)'),
        labelVariable('instance', 'Hub', 'label_values(polycast_build_info{job=~"$job"}, instance)'),
      ],
    },
    panels: layOut(ROWS),
  };
  return `${JSON.stringify(dashboard, null, 2)}\n`;
}

type Variable = NonNullable<NonNullable<Dashboard['templating']>['list']>[number];

function labelVariable(name: string, label: string, query: string): Variable {
  return {
    name,
    label,
    type: 'query',
    datasource: { ...DATASOURCE },
    query: { query, refId: name },
    refresh: 2,
    sort: 1,
    includeAll: true,
    multi: true,
    allValue: '.*',
    current: { text: ['All'], value: ['$__all'] },
  };
}

/** Panels from left to right and from top to bottom, under the titles of their rows. */
function layOut(rows: readonly RowDefinition[]): (Panel | RowPanel)[] {
  const panels: (Panel | RowPanel)[] = [];
  let y = 0;
  for (const row of rows) {
    const gridPos = { x: 0, y: y++, w: COLUMNS, h: 1 };
    panels.push({ type: 'row', id: panels.length + 1, title: row.title, collapsed: false, gridPos, panels: [] });
    let x = 0;
    let height = 0;
    for (const panel of row.panels) {
      const size = panel.isSingle === true ? SINGLE : GRAPH;
      if (x + size.w > COLUMNS || (height > 0 && height !== size.h)) {
        y += height;
        x = 0;
      }
      height = size.h;
      panels.push(grafanaPanel(panel, panels.length + 1, { x, y, ...size }));
      x += size.w;
    }
    y += height;
  }
  return panels;
}
