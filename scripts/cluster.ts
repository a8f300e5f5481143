import { findNatsServer } from './nats.ts';
import { startLocalCluster, type LocalCluster } from './cluster/local-cluster.ts';

/**
 * `npm run cluster`: three brokers and three hubs on this machine, behind a balancer, with the Lab.
 * `npm run cluster -- PORT` chooses the port. Ctrl-C ends all of it.
 */
const PORT_DEFAULT = 7400;

async function main(): Promise<void> {
  const port = Number(process.argv[2] ?? PORT_DEFAULT);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    return fail(`npm run cluster -- PORT: ${process.argv[2]} is no port`);
  const natsServer = findNatsServer();
  if (natsServer === undefined)
    return fail('There is no nats-server. Name one with NATS_SERVER, or install Python with pip, or Go.');
  const stopped = Promise.withResolvers<void>();
  let isStarted = false;
  // Before everything has started, the end of this process ends the others at once.
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.on(signal, () => (isStarted ? stopped.resolve() : process.exit(130)));
  let cluster: LocalCluster;
  try {
    cluster = await startLocalCluster({ port, natsServer, onProgress: (text) => console.log(text) });
  } catch (error) {
    return fail((error as Error).message);
  }
  isStarted = true;
  print(cluster);
  await stopped.promise;
  console.log('stopping');
  await cluster.close();
}

function print({ url, hubs, brokers, folder, configFile }: LocalCluster): void {
  const lines = [
    ['The Lab', `${url}/lab`],
    ['The balancer', url],
    ...hubs.map(({ program, url: hub }) => [program.name, `${hub}  process ${program.pid}`]),
    ...brokers.map(({ program, url: broker }) => [program.name, `${broker}  process ${program.pid}`]),
    ['Status', `npx polycast cluster status --config ${configFile}`],
    ['Logs', folder],
  ];
  for (const [name = '', text = ''] of lines) console.log(`  ${name.padEnd(14)}${text}`);
  console.log('  Press Ctrl-C to stop.');
}

function fail(message: string): void {
  console.error(message);
  process.exitCode = 1;
}

await main();
// A request in flight must not keep this process.
process.exit();
