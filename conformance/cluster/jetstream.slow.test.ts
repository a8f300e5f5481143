import { describe, expect, onTestFinished, test } from 'vitest';
import type { Log } from '../../packages/server/src/core/ports.ts';
import { fleetContract } from '../../packages/server/src/storage/contract/cluster/fleet-contract.ts';
import { snapshotContract } from '../../packages/server/src/storage/contract/cluster/snapshot-contract.ts';
import { NatsSnapshotStore } from '../../packages/server/src/storage/cluster/jetstream/nats-snapshot-store.ts';
import { journalContract } from '../../packages/server/src/storage/contract/cluster/journal-contract.ts';
import { openTestHub } from '../../packages/server/src/storage/contract/cluster/test-hub.ts';
import { logContract } from '../../packages/server/src/storage/contract/log/log-contract.ts';
import type { Journal } from '../../packages/server/src/storage/cluster/journal.ts';
import { DurabilityCheck } from '../../packages/server/src/storage/cluster/jetstream/durability-check.ts';
import { connectToBrokers, moveToLeader } from '../../packages/server/src/storage/cluster/jetstream/connection.ts';
import { openJetStreamJournal } from '../../packages/server/src/storage/cluster/jetstream/jetstream-journal.ts';
import { NatsFleet } from '../../packages/server/src/storage/cluster/jetstream/nats-fleet.ts';
import { HOMES } from '../../packages/server/src/storage/homes.ts';
import { temporaryFolder } from '../../packages/server/src/testing/temporary-folder.ts';
import { testStorageOptions } from '../../packages/server/src/testing/test-storage.ts';
import { leaderOf, NATS_SERVER, startBrokers, type Broker, type Brokers } from '../kit/brokers.ts';
import { pause } from '../kit/wait.ts';

/** Without the variable, CI runs each number of replicas with one view. */
const ALL = process.env['POLYCAST_HEAVY'] !== undefined;
const COMBINATIONS = [
  { count: 1, views: ALL ? ['memory', 'sqlite'] : ['sqlite'] },
  { count: 3, views: ALL ? ['memory', 'sqlite'] : ['memory'] },
] as const;

let clusters = 0;

for (const { count, views } of COMBINATIONS)
  describe.skipIf(NATS_SERVER === undefined)(`JetStream with ${count} replicas`, () => {
    let started: Promise<Brokers> | undefined;
    const brokers = (): Promise<Brokers> => (started ??= startBrokers({ count }));

    const newName = (): string => `t${process.pid}_${clusters++}`;

    const connector = async (): Promise<() => ReturnType<typeof connect>> => {
      const { settings } = await brokers();
      const name = newName();
      return () => connect(settings, name, count);
    };

    journalContract(`journal`, async () => {
      const open = await connector();
      return async () => (await open()).journal;
    });

    test.runIf(count > 1)('the leader of a journal is found by the name of the cluster', async () => {
      const [name, { settings, brokers: all }] = [newName(), await brokers()];
      await connect(settings, name, count);
      expect(all).toContain(await leaderOf({ settings, brokers: all }, name));
    });

    test.runIf(count > 1)('a hub moves to the broker that leads its journal, if it can', async () => {
      const [name, { settings, brokers: all }] = [newName(), await brokers()];
      await connect(settings, name, count);
      const leader = await leaderOf({ settings, brokers: all }, name);
      const others = all.filter((broker) => broker !== leader);
      const move = async (nats: readonly string[]): Promise<string | undefined> => {
        const own = { ...settingsOf(settings, name), nats };
        const first = await connectToBrokers({ ...own, nats: [others[0]?.url ?? ''] }, 'test');
        const moved = await moveToLeader(first, leader.name, own, 'test');
        onTestFinished(() => moved.close());
        expect(first.isClosed()).toBe(moved !== first);
        // When that broker ends, it goes to another one of its settings.
        if (nats.includes(leader.url)) expect(moved.getServers().length).toBeGreaterThanOrEqual(count);
        return moved.info?.server_name;
      };
      const dead = 'nats://127.0.0.1:8';
      expect(await move(settings.nats)).toBe(leader.name);
      expect(await move([dead, ...settings.nats])).toBe(leader.name);
      expect(await move([dead, ...others.map(({ url }) => url)])).toBe(others[0]?.name);
    });

    fleetContract(`fleet`, async () => {
      const open = await connector();
      return async (self) => (await open()).fleet(self);
    });

    test('a message that a hub cannot handle leaves its connection to the brokers', async () => {
      const { fleet, errors, sendToFleet } = await (await connector())();
      const [one, other] = [fleet('a'), fleet('b')];
      onTestFinished(async () => void (await Promise.all([one.close(), other.close()])));
      other.onBroadcast((text) => {
        if (text === 'throw') throw new Error('a listener failed');
        other.broadcast(text);
      });
      other.onAsked(() => Promise.reject(new Error('an answer failed')));
      for (const each of [one, other]) each.report({ host: 'm', version: '1', sequence: 0, hash: 0 });
      await expect.poll(() => one.hubs.length).toBe(1);
      sendToFleet('beat', '{');
      one.broadcast('throw');
      expect(await one.ask('?', 100)).toEqual({ answers: [], silent: ['b'], silentHubs: 1 });
      // Both hubs heard the beat.
      await expect.poll(() => errors.length).toBe(4);
      const texts: string[] = [];
      one.onBroadcast((text) => texts.push(text));
      one.broadcast('echo');
      await expect.poll(() => texts).toEqual(['echo']);
    });

    snapshotContract(
      `snapshots`,
      async () => {
        const { snapshots } = await (await connector())();
        return snapshots();
      },
      temporaryFolder,
    );

    test('a question about snapshots is asked again if the brokers do not answer it', async () => {
      const { connection, snapshots } = await (await connector())();
      const store = await snapshots();
      const lost = loseFirst(connection, '$JS.API.CONSUMER.CREATE.');
      expect(await store.list()).toEqual([]);
      expect(lost()).toBe(1);
    });

    test.runIf(count === 1)('questions and appends outlast brokers that answer nothing for 8 s', async () => {
      const own = await startBrokers();
      onTestFinished(() => own.end());
      const { journal, snapshots } = await connect(own.settings, newName(), count);
      const store = await snapshots();
      const append = (id: string): Promise<number> => journal.append({ id, kind: 'events', data: Buffer.from(id) });
      await append('a-1');
      const [broker] = own.brokers as readonly [Broker];
      broker.child.kill('SIGSTOP');
      const answers = Promise.all([
        ...[journal.last(), journal.extent(), journal.idAt(1), journal.trim(1), store.list()],
        append('a-2'),
      ]);
      answers.catch(() => undefined);
      await pause(8_000);
      broker.child.kill('SIGCONT');
      expect((await answers).slice(-2)).toEqual([[], 2]);
    });

    test.runIf(count === 1)('the brokers may refuse any one request of an opening', async () => {
      const { settings } = await brokers();
      for (let number = 1, asked = number; asked >= number; number++) {
        const name = newName();
        const connection = await connectTo(settings, name);
        const requests = refuseOne(connection, number);
        const check = new DurabilityCheck({ ...settings, logger: silentLogger });
        const journal = await openJetStreamJournal({ connection, name, replicas: count, check });
        const store = await NatsSnapshotStore.open(connection, name, count);
        expect([await journal.last(), await store.list()]).toEqual([0, []]);
        await journal.close();
        asked = requests();
      }
    });

    for (const view of views)
      logContract(`log, view: ${view}`, async ({ channelsMax } = {}): Promise<Log> => {
        const { journal, fleet } = await (await connector())();
        return openTestHub({
          journal,
          fleet: fleet('a'),
          home: HOMES[view] as (typeof HOMES)[string],
          options: testStorageOptions(temporaryFolder()),
          channelsMax,
        });
      });
  });

/**
 * Nobody answers the first request to a subject with this beginning. The broker that has it dies.
 * @returns how many requests were lost
 */
function loseFirst(connection: Connection, beginning: string): () => number {
  const silent = `silent.${process.pid}_${clusters++}`;
  connection.subscribe(silent);
  const request = connection.request.bind(connection);
  let lost = 0;
  connection.request = (subject, ...rest) =>
    lost === 0 && subject.startsWith(beginning) ? request((lost++, silent), ...rest) : request(subject, ...rest);
  return () => lost;
}

/**
 * One request is refused, as while the brokers elect a leader.
 * @param number 1: the first one
 * @returns how many requests there were
 */
function refuseOne(connection: Connection, number: number): () => number {
  const refusing = `refusing.${process.pid}_${clusters++}`;
  const error = { code: 503, err_code: 10008, description: 'JetStream system temporarily unavailable' };
  connection.subscribe(refusing, { callback: (_error, message) => void message.respond(JSON.stringify({ error })) });
  const request = connection.request.bind(connection);
  let asked = 0;
  connection.request = (subject, ...rest) => request(++asked === number ? refusing : subject, ...rest);
  return () => asked;
}

type Connection = Awaited<ReturnType<typeof connectToBrokers>>;

interface Connected {
  readonly connection: Connection;
  readonly journal: Journal;
  readonly fleet: (self: string) => NatsFleet;
  /** What the fleet logs as errors. */
  readonly errors: readonly object[];
  readonly sendToFleet: (subject: string, text: string) => void;
  readonly snapshots: () => Promise<NatsSnapshotStore>;
}

const silentLogger = { warn: () => undefined, info: () => undefined };

async function connectTo(settings: Brokers['settings'], name: string): Promise<Connection> {
  const connection = await connectToBrokers(settingsOf(settings, name), 'test');
  onTestFinished(() => connection.close());
  return connection;
}

async function connect(settings: Brokers['settings'], name: string, replicas: number): Promise<Connected> {
  const connection = await connectTo(settings, name);
  const errors: object[] = [];
  const logger = { ...silentLogger, error: (fields: object) => void errors.push(fields) };
  const check = new DurabilityCheck({ ...settings, logger });
  const journal = await openJetStreamJournal({ connection, name, replicas, check });
  onTestFinished(() => journal.close());
  return {
    connection,
    journal,
    errors,
    sendToFleet: (subject, text) => connection.publish(`pc.${name}.fleet.${subject}`, text),
    fleet: (self) => new NatsFleet(connection, name, self, logger),
    snapshots: () => NatsSnapshotStore.open(connection, name, replicas),
  };
}

/** The section `cluster` of a hub's configuration. */
function settingsOf(settings: Brokers['settings'], name: string): Parameters<typeof connectToBrokers>[0] {
  const tls = { caFile: null, certificateFile: null, keyFile: null };
  return { ...settings, name, snapshotBytes: 2 ** 30, credentials: null, sealKeyFile: null, tls };
}
