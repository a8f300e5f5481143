import { load } from './loader.ts';

// The entry of its threads: the last argument names the module, as `startThread` passes it.
load(`${process.argv.at(-1)}.js`);
