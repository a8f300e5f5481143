import { logContract } from './contract.ts';
import { createMemoryLog } from './memory.ts';

logContract('memory', (options) => Promise.resolve(createMemoryLog(options)));
