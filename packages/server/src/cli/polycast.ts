#!/usr/bin/env node
import { reasonOfOldNode } from '../platform/node-version.ts';

// An old version of Node.js reads this file too, and fails at an import of what it does not have.
// So this file imports all but the check later.
const reason = reasonOfOldNode();
if (reason === undefined) {
  // Modules that are loaded after the call come from the cache.
  void import('../platform/compile-cache.ts')
    .then(({ useCompileCache }) => useCompileCache())
    .then(() => import('./command-line.ts'))
    .then(({ runProcess }) => runProcess());
} else {
  process.stderr.write(`polycast: ${reason}\n`);
  process.exitCode = 1;
}
