/** The metrics page of one process of a hub. */
export interface ProcessMetrics {
  readonly process: number;
  /** In Prometheus' text format. */
  readonly text: string;
}

/**
 * Joins the pages of all processes into one, with the label `process` on every value. Example:
 * `polycast_sessions{transport="sse"} 3` of process 1 becomes
 * `polycast_sessions{transport="sse",process="1"} 3`. A metric has its help text once, and all its
 * values follow it, as the format demands.
 */
export function mergeMetrics(pages: readonly ProcessMetrics[]): string {
  const metrics = new Map<string, { readonly head: string[]; readonly values: string[] }>();
  for (const { process, text } of pages) {
    let metric = { head: [] as string[], values: [] as string[] };
    for (const line of text.split('\n')) {
      const [, kind, name = ''] = /^# (HELP|TYPE) (\S+)/.exec(line) ?? [];
      if (kind === 'HELP') {
        metric = metrics.get(name) ?? { head: [], values: [] };
        metrics.set(name, metric);
      }
      if (kind !== undefined) {
        if (!metric.head.includes(line)) metric.head.push(line);
      } else if (line !== '') metric.values.push(withLabel(line, process));
    }
  }
  return Array.from(metrics.values(), ({ head, values }) => `${[...head, ...values].join('\n')}\n`).join('\n');
}

/** Labels end with the last brace: a label's value may contain one. */
function withLabel(line: string, process: number): string {
  const end = line.lastIndexOf('}');
  if (end < 0) return line.replace(' ', `{process="${process}"} `);
  const separator = line[end - 1] === '{' ? '' : ',';
  return `${line.slice(0, end)}${separator}process="${process}"${line.slice(end)}`;
}
