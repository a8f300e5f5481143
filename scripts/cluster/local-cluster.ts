import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Lab, LabActions } from '../../packages/server/src/lab/lab.ts';
import { createLab } from '../../packages/server/src/lab/lab.ts';
import { documentation } from '../../packages/server/src/lab/documentation.ts';
import { assetPath } from '../../packages/server/src/platform/package-files.ts';
import { startBalancer, type Balancer } from './balancer.ts';
import { unusedPort } from '../unused-port.ts';
import { brokerConfig, type BrokerPorts } from './broker-config.ts';
import { Program } from './child-process.ts';

/** Three brokers and three hubs on this machine, behind a balancer that also serves the Lab. */
export interface LocalCluster {
  readonly url: string;
  readonly hubs: readonly Machine[];
  readonly brokers: readonly Machine[];
  /** The folder with all data and logs. It is removed at the end. */
  readonly folder: string;
  /** A configuration for commands such as `polycast cluster status`. */
  readonly configFile: string;
  readonly balancer: Balancer;
  /** Ends all processes, whichever of them have ended before. */
  close(): Promise<void>;
}

export interface Machine {
  readonly program: Program;
  readonly url: string;
}

export interface LocalClusterOptions {
  /** The port of the balancer. 0: a free one. */
  readonly port: number;
  readonly natsServer: string;
  readonly onProgress?: (text: string) => void;
}

const COUNT = 3;
/** How long a process stays away that the Lab has killed. */
const AWAY_MS = 3_000;
const COMMAND =
  process.env['TESTED_POLYCAST'] ?? join(import.meta.dirname, '../../packages/server/src/cli/polycast.ts');

export async function startLocalCluster(options: LocalClusterOptions): Promise<LocalCluster> {
  const { port, natsServer, onProgress = () => undefined } = options;
  const folder = mkdtempSync(join(tmpdir(), 'polycast-cluster-'));
  const removeFolder = (): void => rmSync(folder, { recursive: true, force: true });
  process.once('exit', removeFolder);
  const closers: (() => unknown)[] = [removeFolder];
  const close = async (): Promise<void> => {
    for (const step of closers.splice(0).toReversed()) await step();
  };
  try {
    const { brokers, settings } = await prepareBrokers(folder, natsServer);
    closers.push(() => Promise.all(brokers.map(({ program }) => program.end('SIGTERM'))));
    onProgress('starting three brokers');
    await Promise.all(brokers.map(({ program }) => program.start()));
    const configFile = join(folder, 'polycast.yaml');
    // JSON is YAML.
    writeFileSync(configFile, JSON.stringify({ ...HUB_SETTINGS, data: join(folder, 'status'), cluster: settings }));
    const hubs = await prepareHubs(folder, configFile);
    closers.push(() => Promise.all(hubs.map(({ program }) => program.end('SIGTERM'))));
    onProgress('starting three hubs');
    // The first hub creates the journal.
    for (const { program } of hubs) await program.start();
    // The Lab's wires need the port of the balancer, which is open first.
    const opened: { lab?: Lab } = {};
    const docs = documentation(assetPath('docs'));
    const balancer = await startBalancer({
      port,
      targets: hubs.map(({ url }) => Number(new URL(url).port)),
      answer: (request, response) => {
        const [path = ''] = (request.url ?? '').split('?', 1);
        if (path === '/') response.writeHead(302, { Location: '/lab', 'Content-Length': 0 }).end();
        else if (path === '/docs' || path.startsWith('/docs/')) docs(request, response);
        else return opened.lab?.handle(request, response) ?? false;
        return true;
      },
    });
    closers.push(() => balancer.close());
    const closing = new AbortController();
    closers.push(() => closing.abort());
    const lab = await createLab({
      folder: assetPath('console'),
      hubPort: () => balancer.port,
      actions: killActions(hubs, brokers, closing.signal),
    });
    opened.lab = lab;
    closers.push(() => lab.close());
    return { url: balancer.url, hubs, brokers, folder, configFile, balancer, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Everything is on this machine: a fast restart, and no keys. */
const HUB_SETTINGS = {
  access: 'loopback',
  localPages: 'loopback',
  drain: { timeMs: 500 },
  logging: { level: 'warn' },
};

async function prepareBrokers(
  folder: string,
  natsServer: string,
): Promise<{ readonly brokers: readonly Machine[]; readonly settings: object }> {
  const ports: BrokerPorts[] = [];
  for (let index = 0; index < COUNT; index++)
    ports.push({ client: await unusedPort(), route: await unusedPort(), http: await unusedPort() });
  const routes = ports.map(({ route }) => `127.0.0.1:${route}`);
  const brokers = ports.map((own, index) => {
    const name = `n${index + 1}`;
    const config = join(folder, `${name}.conf`);
    const monitoring = `http://127.0.0.1:${own.http}`;
    writeFileSync(config, brokerConfig({ name, ports: own, data: join(folder, name), fileBytesMax: '4GB', routes }));
    const isReady = async (): Promise<boolean> => (await fetch(`${monitoring}/healthz?js-server-only=true`)).ok;
    const program = new Program(name, [natsServer, '-c', config], join(folder, `${name}.log`), isReady);
    return { program, url: `nats://127.0.0.1:${own.client}`, monitoring };
  });
  const settings = {
    nats: brokers.map(({ url }) => url),
    monitoring: brokers.map(({ monitoring }) => monitoring),
    replicas: COUNT,
  };
  return { brokers, settings };
}

async function prepareHubs(folder: string, configFile: string): Promise<readonly Machine[]> {
  const hubs: Machine[] = [];
  for (let index = 1; index <= COUNT; index++) {
    const name = `hub${index}`;
    const port = await unusedPort();
    const data = join(folder, name);
    mkdirSync(data);
    const url = `http://127.0.0.1:${port}`;
    const options = ['--config', configFile, '--listen', `127.0.0.1:${port}`, '--data', data];
    const isReady = async (): Promise<boolean> => (await fetch(`${url}/readyz`)).ok;
    const command = [process.execPath, COMMAND, 'serve', ...options];
    hubs.push({ program: new Program(name, command, join(folder, `${name}.log`), isReady), url });
  }
  return hubs;
}

/**
 * Each kill takes the next process in turn, and starts it again after a while.
 * @param closing after it, none starts again
 */
function killActions(hubs: readonly Machine[], brokers: readonly Machine[], closing: AbortSignal): LabActions {
  const killer = (machines: readonly Machine[]): (() => Promise<void>) => {
    let next = 0;
    return async () => {
      const { program } = machines[next++ % machines.length] as Machine;
      await program.end('SIGKILL');
      await delay(AWAY_MS, undefined, { signal: closing }).catch(() => undefined);
      if (!closing.aborted) await program.start();
    };
  };
  return { 'kill-hub': killer(hubs), 'kill-broker': killer(brokers) };
}
