import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  ConfirmedPublishes,
  type StoredMessage,
} from '../../packages/server/src/storage/cluster/jetstream/confirmed-publishes.ts';
import { connectToBrokers } from '../../packages/server/src/storage/cluster/jetstream/connection.ts';
import { DurabilityCheck } from '../../packages/server/src/storage/cluster/jetstream/durability-check.ts';
import { openJetStreamJournal } from '../../packages/server/src/storage/cluster/jetstream/jetstream-journal.ts';
import { NATS_SERVER, startBrokers, type BrokerOptions } from '../kit/brokers.ts';

const WRONG_LAST_SEQUENCE = 10071;
const TIMEOUT_MS = 1_500;
const TLS = { caFile: null, certificateFile: null, keyFile: null };
const LOGGER = { warn: () => undefined, info: () => undefined, error: () => undefined };

describe.skipIf(NATS_SERVER === undefined)('publishes that the brokers confirm', () => {
  test('a message is stored once: its copy has the same sequence', async () => {
    const { publish } = await started();
    const id = randomUUID();
    expect(await publish({ id })).toEqual({ sequence: 1, isCopy: false });
    expect(await publish({ id })).toEqual({ sequence: 1, isCopy: true });
    expect(await Promise.all([publish(), publish(), publish()])).toEqual(
      [2, 3, 4].map((sequence) => ({ sequence, isCopy: false })),
    );
  });

  test('a stream refuses a message with its code', async () => {
    const { publish } = await started();
    await expect(publish({ lastSequence: 99 })).rejects.toMatchObject({ code: WRONG_LAST_SEQUENCE });
  });

  test('a message that no stream takes is rejected at once', async () => {
    const { publish } = await started();
    await expect(publish({ subject: 'nobody' })).rejects.toThrow('no broker has the stream');
  });

  test('messages without an answer are rejected in time, and later ones are stored', async () => {
    const { publish, stop, goOn } = await started();
    await stop();
    const startMs = performance.now();
    const lost = [publish(), publish()].map((each) => each.catch((error: unknown) => error));
    for (const error of await Promise.all(lost)) expect(error).toMatchObject({ name: 'TimeoutError' });
    expect(performance.now() - startMs).toBeGreaterThan(TIMEOUT_MS - 50);
    goOn();
    await expect.poll(() => publish().catch(() => undefined), { timeout: 20_000 }).toMatchObject({ isCopy: false });
  });

  test('messages that wait are rejected when the connection is closed, and all later ones', async () => {
    const { publishes, publish, stop, goOn } = await started();
    await stop();
    const waiting = publish();
    publishes.close();
    await expect(waiting).rejects.toThrow('the connection is closed');
    await expect(publish()).rejects.toThrow('the connection is closed');
    goOn();
  });

  test('a message that the hub may not publish is rejected at once', async () => {
    const { publish } = await started({
      configuration: `authorization { users = [
        { user: "hub", password: "secret", permissions: { publish: ["$JS.>", "_INBOX.>"] } }
      ] }
      no_auth_user: "hub"`,
    });
    await expect(publish()).rejects.toThrow(/permissions violation for publish/i);
  });
});

interface Started {
  readonly publishes: ConfirmedPublishes;
  publish(message?: { id?: string; subject?: string; lastSequence?: number }): Promise<StoredMessage>;
  /** The broker stands still, with all its threads, when this resolves. */
  stop(): Promise<void>;
  goOn(): void;
}

async function started(options: BrokerOptions = {}): Promise<Started> {
  const brokers = await startBrokers(options);
  onTestFinished(() => brokers.end());
  const [broker] = brokers.brokers;
  const settings = { ...brokers.settings, name: 'publishes', snapshotBytes: 1, credentials: null, sealKeyFile: null };
  const connection = await connectToBrokers({ ...settings, tls: TLS }, 'test');
  const check = new DurabilityCheck({ ...settings, logger: LOGGER });
  // It creates the stream.
  const journal = await openJetStreamJournal({ ...settings, connection, check });
  const publishes = new ConfirmedPublishes(connection, TIMEOUT_MS);
  onTestFinished(async () => {
    publishes.close();
    await journal.close();
  });
  return {
    publishes,
    publish: ({ id = randomUUID(), subject = 'pc.publishes.j.events', lastSequence } = {}) =>
      publishes.publish({
        subject,
        data: new Uint8Array([1]),
        headers: {
          'Nats-Msg-Id': id,
          ...(lastSequence !== undefined && { 'Nats-Expected-Last-Sequence': String(lastSequence) }),
        },
      }),
    stop: async () => {
      broker?.child.kill('SIGSTOP');
      await expect.poll(() => threadStates(broker?.child.pid)).toEqual(new Set(['T']));
    },
    goOn: () => void broker?.child.kill('SIGCONT'),
  };
}

/** Each is a letter: `T` for a thread that was stopped (proc(5)). */
function threadStates(pid = 0): ReadonlySet<string> {
  const threads = readdirSync(`/proc/${pid}/task`);
  return new Set(
    threads.map((thread) => /\) (\w) /.exec(readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8'))?.[1] ?? ''),
  );
}
