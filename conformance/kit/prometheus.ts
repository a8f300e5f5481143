import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { atExit } from './at-exit.ts';
import { temporaryFolder } from './folders.ts';
import { call } from './http.ts';
import { unusedPort } from '../../scripts/unused-port.ts';
import { until } from './wait.ts';

/** One series of a result, with its values in the order of time. */
export interface Series {
  readonly labels: Readonly<Record<string, string>>;
  readonly values: readonly number[];
}

export interface PrometheusSettings {
  /** The hubs: their URLs, by the instance name that their metrics get. */
  readonly targets: Readonly<Record<string, string>>;
  /** The text of a file of rules. */
  readonly rules: string;
  /** Between two scrapes, and between two evaluations of the rules. */
  readonly intervalMs: number;
}

/** Debian's Prometheus, as a process of its own. It ends with this process. */
export class Prometheus {
  readonly #url: string;
  readonly #startedMs = Date.now();

  private constructor(url: string) {
    this.#url = url;
  }

  static async start({ targets, rules, intervalMs }: PrometheusSettings): Promise<Prometheus> {
    const folder = temporaryFolder('prometheus');
    const interval = `${intervalMs}ms`;
    writeFileSync(join(folder, 'rules.yaml'), rules);
    const config = {
      global: { scrape_interval: interval, scrape_timeout: interval, evaluation_interval: interval },
      rule_files: ['rules.yaml'],
      scrape_configs: [{ job_name: 'polycast', tls_config: { insecure_skip_verify: true }, ...scrapes(targets) }],
    };
    // JSON is YAML.
    writeFileSync(join(folder, 'prometheus.yml'), JSON.stringify(config));
    const port = await unusedPort();
    const child = spawn(
      'prometheus',
      [
        `--config.file=${folder}/prometheus.yml`,
        `--storage.tsdb.path=${folder}/data`,
        `--web.listen-address=127.0.0.1:${port}`,
        '--log.level=warn',
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    let log = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (log += text));
    child.on(
      'exit',
      atExit(() => void child.kill('SIGKILL')),
    );
    const url = `http://127.0.0.1:${port}`;
    await until('Prometheus is ready', async () => {
      if (child.exitCode !== null) throw new Error(`Prometheus ended: ${log}`);
      const reply = await call(`${url}/-/ready`).catch(() => undefined);
      return reply?.status === 200;
    });
    return new Prometheus(url);
  }

  /** Waits until each target was read at least twice, so that the next change is an increase. */
  untilRead(targets: number): Promise<void> {
    return until('all targets are read', async () => {
      const read = await this.query('count_over_time(up[1m]) >= 2 and up == 1');
      return read.length === targets;
    });
  }

  /** @throws Error if the query is wrong */
  async query(expr: string): Promise<readonly Series[]> {
    const result = await this.#ask(`query?query=${encodeURIComponent(expr)}`);
    return result.map(({ metric, value = [0, 'NaN'] }) => ({ labels: metric, values: [Number(value[1])] }));
  }

  /** The values of a query from the start of this Prometheus until now. */
  async queryRange(expr: string, stepSeconds: number): Promise<readonly Series[]> {
    const range = `start=${this.#startedMs / 1000}&end=${Date.now() / 1000}&step=${stepSeconds}`;
    const result = await this.#ask(`query_range?${range}&query=${encodeURIComponent(expr)}`);
    return result.map(({ metric, values = [] }) => ({
      labels: metric,
      values: values.map(([, value]) => (value === '+Inf' ? Infinity : Number(value))),
    }));
  }

  /** The instances for which an alert has fired, at any time. */
  async firedFor(alert: string): Promise<readonly string[]> {
    const fired = await this.query(`max_over_time(ALERTS{alertname="${alert}",alertstate="firing"}[1h])`);
    return fired.map(({ labels }) => labels['instance'] ?? '');
  }

  async #ask(path: string): Promise<readonly Result[]> {
    const reply = await call(`${this.#url}/api/v1/${path}`);
    if (reply.status !== 200) throw new Error(reply.text);
    return reply.json<{ data: { result: readonly Result[] } }>().data.result;
  }
}

interface Result {
  readonly metric: Readonly<Record<string, string>>;
  readonly value?: readonly [number, string];
  readonly values?: readonly (readonly [number, string])[];
}

/** Targets with a name as their instance, and http or https by their URL. */
function scrapes(targets: PrometheusSettings['targets']): object {
  return {
    static_configs: Object.entries(targets).map(([instance, url]) => ({
      targets: [new URL(url).host],
      labels: { instance, __scheme__: new URL(url).protocol.slice(0, -1) },
    })),
  };
}
