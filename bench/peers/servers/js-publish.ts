// node js-publish.ts URL[,URL] COUNT WARM_UP BYTES: publishes messages to a JetStream stream with
// three replicas, one after the other. It prints the time until each was confirmed. Each broker
// gets as many, because the one that leads confirms a tenth sooner.
import { jetstream, jetstreamManager, StorageType, type JetStreamClient } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';

const [urls = '', count = '', warmUp = '', bytes = ''] = process.argv.slice(2);
const servers = urls.split(',');
const data = new Uint8Array(Number(bytes)).fill(120);
await createStream();

const microseconds: number[] = [];
for (const server of servers) {
  const connection = await connect({ servers: server, noAsyncTraces: true });
  const client = jetstream(connection);
  await publish(client, Number(warmUp) / servers.length);
  microseconds.push(...(await publish(client, Number(count) / servers.length)));
  await connection.close();
}
microseconds.sort((a, b) => a - b);
const at = (share: number): number => Math.round(microseconds[Math.floor(share * microseconds.length)] ?? Number.NaN);
console.log(JSON.stringify({ acknowledgedP50Microseconds: at(0.5), acknowledgedP99Microseconds: at(0.99) }));

async function createStream(): Promise<void> {
  const connection = await connect({ servers, noAsyncTraces: true });
  const manager = await jetstreamManager(connection, { checkAPI: false });
  const stream = { name: 'BARE', subjects: ['bare'], storage: StorageType.File, num_replicas: 3 };
  // Brokers that have just started do not answer before they have a leader.
  while (!(await manager.streams.add(stream).catch(() => undefined)));
  await connection.close();
}

async function publish(client: JetStreamClient, messages: number): Promise<number[]> {
  const taken: number[] = [];
  for (let number = 0; number < messages; number++) {
    const startMs = performance.now();
    await client.publish('bare', data);
    taken.push((performance.now() - startMs) * 1000);
  }
  return taken;
}
