import { join } from 'node:path';
import type { ViteUserConfig } from 'vitest/config';
import { LongestFirst } from './scripts/testing/longest-first.ts';
import { CONDITION_TIMEOUT_MS, SLOW_TEST_TIMEOUT_MS, TEST_TIMEOUT_MS } from './scripts/testing/timeouts.ts';

/**
 * Five projects, one after the other. `quick` is what `npm run check` runs. The others hold the
 * suites that start many processes, browsers or long loads (`*.slow.test.ts`). `quick` runs four
 * side by side and `slow` five, since they wait more than half of their time. `browser` runs three,
 * since pages compute more. `patient` holds those that wait for timeouts of many seconds, which a
 * busy machine would change. `alone` holds those that measure memory or time: nothing runs beside
 * them. `npm test` and CI run all five.
 */
const everywhere = ['packages', 'conformance', 'simulation', 'bench', 'scripts', 'examples', 'docs'];
const skipped = ['**/node_modules/**', '**/dist/**', '**/generated/**', 'bench/build/**'];
const slow = everywhere.map((folder) => `${folder}/**/*.slow.test.ts`);
const patient = ['conformance/garbage/slow-clients.slow.test.ts', 'conformance/identity/session-expiry.slow.test.ts'];
const alone = [
  'conformance/load/back-pressure.slow.test.ts',
  'conformance/protocol/drain.slow.test.ts',
  'conformance/fuzz/*.slow.test.ts',
  'conformance/garbage/*.slow.test.ts',
  'conformance/identity/delegation.slow.test.ts',
  'conformance/protocol/publishing.slow.test.ts',
  'simulation/churn.slow.test.ts',
];
const browser = [
  'packages/*/browser/**/*.slow.test.ts',
  'examples/**/*.slow.test.ts',
  'scripts/docs/{pages,site}.slow.test.ts',
  'conformance/identity/{cross-site,php-site}.slow.test.ts',
  'conformance/installation/packages.slow.test.ts',
  'conformance/third-party/browser*.slow.test.ts',
];
const patience = {
  setupFiles: ['scripts/testing/wait-timeouts.ts'],
  expect: { poll: { timeout: CONDITION_TIMEOUT_MS } },
  testTimeout: TEST_TIMEOUT_MS,
  hookTimeout: TEST_TIMEOUT_MS,
};
const muchPatience = { ...patience, testTimeout: SLOW_TEST_TIMEOUT_MS, hookTimeout: SLOW_TEST_TIMEOUT_MS };

/**
 * Tests start the command line some thousand times, from sources whose types Node strips each time.
 * With its compile cache a start takes half the CPU; entries are found by the text of a source, so
 * that a changed one is never taken for the one before.
 */
process.env['NODE_COMPILE_CACHE'] ??= join(import.meta.dirname, 'node_modules/.cache/node-compile');

/**
 * A hub as it was built starts with half the CPU of its sources. `npm test` has just built it. A
 * test that is run by hand takes the sources, so that it never tests an older build.
 */
if (process.env['npm_lifecycle_event'] === 'test')
  process.env['TESTED_POLYCAST'] ??= join(import.meta.dirname, 'packages/server/dist/lib/polycast.js');

const config: ViteUserConfig = {
  test: {
    pool: 'forks',
    maxWorkers: 2,
    environment: 'node',
    sequence: { sequencer: LongestFirst },
    reporters: ['default', './scripts/testing/slowest-files.ts'],
    projects: [
      {
        test: {
          name: 'quick',
          include: everywhere.map((folder) => `${folder}/**/*.test.ts`),
          exclude: [...skipped, ...slow],
          ...patience,
          // Files share a process, and so the modules that most of them import.
          isolate: false,
          maxWorkers: 4,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'slow',
          include: slow,
          exclude: [...skipped, ...patient, ...alone, ...browser],
          ...muchPatience,
          maxWorkers: 5,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'browser',
          include: browser,
          exclude: skipped,
          ...muchPatience,
          setupFiles: [...patience.setupFiles, 'scripts/testing/browser-timeouts.ts'],
          maxWorkers: 3,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          name: 'patient',
          include: patient,
          exclude: skipped,
          ...muchPatience,
          sequence: { groupOrder: 3 },
        },
      },
      {
        test: {
          name: 'alone',
          include: alone,
          exclude: [...skipped, ...patient],
          ...muchPatience,
          fileParallelism: false,
          sequence: { groupOrder: 4 },
        },
      },
    ],
  },
};

export default config;
