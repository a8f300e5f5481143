import { temporaryFolder } from '../../testing/temporary-folder.ts';
import { testStorageOptions } from '../../testing/test-storage.ts';
import { HOMES } from '../homes.ts';
import { logContract } from './log/log-contract.ts';

for (const [name, home] of Object.entries(HOMES))
  logContract(name, ({ channelsMax = 1_000_000 } = {}) =>
    home.openLog(testStorageOptions(temporaryFolder(), { limits: { channelsMax } })),
  );
