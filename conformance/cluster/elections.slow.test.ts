import { describe, expect, onTestFinished, test } from 'vitest';
import { ElectedError, Elections } from '../../packages/server/src/storage/cluster/jetstream/elections.ts';
import { connectToBrokers } from '../../packages/server/src/storage/cluster/jetstream/connection.ts';
import { DurabilityCheck } from '../../packages/server/src/storage/cluster/jetstream/durability-check.ts';
import {
  openJetStreamJournal,
  streamName,
} from '../../packages/server/src/storage/cluster/jetstream/jetstream-journal.ts';
import { leaderOf, NATS_SERVER, startBrokers } from '../kit/brokers.ts';

const NAME = 'polycast';
const TLS = { caFile: null, certificateFile: null, keyFile: null };
const LOGGER = { warn: () => undefined, info: () => undefined };

describe.skipIf(NATS_SERVER === undefined)('an election of the brokers', () => {
  test('ends an attempt that the leader before cannot answer, and no attempt of later', async () => {
    const brokers = await startBrokers({ count: 3 });
    onTestFinished(() => brokers.end());
    const settings = {
      ...brokers.settings,
      name: NAME,
      snapshotBytes: 1,
      credentials: null,
      sealKeyFile: null,
      tls: TLS,
    };
    const connection = await connectToBrokers(settings, 'test');
    onTestFinished(() => connection.close());
    const check = new DurabilityCheck({ ...settings, logger: LOGGER });
    const journal = await openJetStreamJournal({ connection, name: NAME, replicas: 3, check });
    onTestFinished(() => journal.close());
    const elections = new Elections(connection, streamName(NAME));
    onTestFinished(() => elections.close());
    const block = { kind: 'epoch', data: new Uint8Array(1) } as const;
    expect(await journal.append({ id: 'a-1', ...block })).toBe(1);
    // Nobody answers it but the election.
    const attempt = elections.attempt(new Promise<never>(() => undefined)).catch((error: unknown) => error);
    await (await leaderOf(brokers)).end('SIGKILL');
    const [ended, sequence] = await Promise.all([attempt, journal.append({ id: 'a-2', ...block })]);
    expect(ended).toBeInstanceOf(ElectedError);
    // However often it was sent, the journal has it once.
    expect([sequence, await journal.append({ id: 'a-3', ...block })]).toEqual([2, 3]);
    expect(await journal.idAt(2)).toBe('a-2');
    expect(await elections.attempt(Promise.resolve('answered'))).toBe('answered');
    await expect(elections.attempt(Promise.reject(new Error('refused')))).rejects.toThrow('refused');
  });
});
