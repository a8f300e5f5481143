import { expect, test } from 'vitest';
import { DataFolderError } from '../../../core/data-folder-error.ts';
import { temporaryFolder } from '../../../testing/temporary-folder.ts';
import { appendUntilTrimmed, SNAPSHOT_BYTES, TestCluster } from '../../../testing/folder-cluster.ts';
import { JournalError, type Journal } from '../../cluster/journal.ts';
import { record } from '../log/log-fixtures.ts';

/** What a hub asks of the brokers. While they elect a leader, none of it may be answered. */
const QUESTIONS: ReadonlySet<string | symbol> = new Set(['append', 'last', 'extent', 'idAt', 'trim']);

/** A journal that answers all questions but one. */
class Unanswered {
  asked = 0;
  readonly #number: number;

  /** @param number of the question: 1 is the first one */
  constructor(number: number) {
    this.#number = number;
  }

  wrap(journal: Journal): Journal {
    return new Proxy(journal, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== 'function') return value;
        const ask = value.bind(target) as (...args: unknown[]) => unknown;
        if (!QUESTIONS.has(name)) return ask;
        return (...args: unknown[]) =>
          ++this.asked === this.#number ? Promise.reject(new JournalError('unknown', 'no answer')) : ask(...args);
      },
    });
  }
}

interface Place {
  readonly cluster: TestCluster;
  /** The data folder of the hub that opens. */
  readonly folder: string;
}

const PLACES: Readonly<Record<string, () => Promise<Place>>> = {
  'a new journal': async () => ({ cluster: new TestCluster(), folder: temporaryFolder() }),
  'a journal that has gone on': async () => {
    const place = { cluster: new TestCluster(), folder: temporaryFolder() };
    await (await place.cluster.open('a', place)).close();
    const other = await place.cluster.open('b');
    await other.append([record('a')]);
    await other.close();
    return place;
  },
  'a journal that has lost blocks': async () => {
    const place = { cluster: new TestCluster(), folder: temporaryFolder() };
    const log = await place.cluster.open('a', place);
    for (let count = 0; count < 5; count++) await log.append([record('a')]);
    await log.close();
    place.cluster.journal.rollBack(place.cluster.journal.last - 2);
    return place;
  },
  'a journal that was trimmed, and a snapshot': async () => {
    const cluster = new TestCluster();
    const log = await cluster.open('a', { snapshotBytes: SNAPSHOT_BYTES });
    await appendUntilTrimmed(cluster, log);
    await log.close();
    return { cluster, folder: temporaryFolder() };
  },
};

test.each(Object.keys(PLACES))('after a question without an answer the hub can open again: %s', async (name) => {
  for (let number = 1; ; number++) {
    const { cluster, folder } = await (PLACES[name] as () => Promise<Place>)();
    const unanswered = new Unanswered(number);
    const failure = await cluster.open('a', { folder, wrap: (journal) => unanswered.wrap(journal) }).then(
      (log) => log.close(),
      (error: unknown) => error,
    );
    if (failure !== undefined) {
      expect(failure).toBeInstanceOf(DataFolderError);
      expect((failure as DataFolderError).reason).toBe('inaccessible');
    }
    const log = await cluster.open('a', { folder });
    await log.append([record('b')]);
    await log.close();
    if (unanswered.asked < number) break;
  }
});
