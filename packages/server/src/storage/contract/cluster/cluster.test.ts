import { temporaryFolder } from '../../../testing/temporary-folder.ts';
import { testStorageOptions } from '../../../testing/test-storage.ts';
import { MemoryFleetServer } from '../../cluster/memory-fleet.ts';
import { MemoryJournalServer } from '../../cluster/memory-journal.ts';
import { memoryHome } from '../../memory/memory-home.ts';
import { logContract } from '../log/log-contract.ts';
import { MemorySnapshotStore } from '../../cluster/snapshots/memory-snapshot-store.ts';
import { snapshotContract } from './snapshot-contract.ts';
import { fleetContract } from './fleet-contract.ts';
import { journalContract } from './journal-contract.ts';
import { openTestHub } from './test-hub.ts';

journalContract('journal in memory', async () => {
  const server = new MemoryJournalServer();
  return async () => server.connect();
});

snapshotContract('snapshots in memory', async () => new MemorySnapshotStore(), temporaryFolder);

fleetContract('fleet in memory', async () => {
  const server = new MemoryFleetServer();
  return async (self) => server.connect(self);
});

// `conformance/cluster/jetstream.slow.test.ts` runs it over real brokers, with views in all homes.
logContract('journal in memory, view in memory', ({ channelsMax } = {}) =>
  openTestHub({
    journal: new MemoryJournalServer().connect(),
    fleet: new MemoryFleetServer().connect('a'),
    home: memoryHome,
    options: testStorageOptions(temporaryFolder()),
    channelsMax,
  }),
);
