import type { ViteUserConfig } from 'vitest/config';
import { CONDITION_TIMEOUT_MS, SLOW_TEST_TIMEOUT_MS, TEST_TIMEOUT_MS } from './scripts/testing/timeouts.ts';

/**
 * Two projects. `quick` is what `npm run check` runs. `slow` holds the suites that start many processes, browsers or
 * long loads (`*.slow.test.ts`); `npm test` and CI run both.
 */
const everywhere = ['packages', 'conformance', 'simulation', 'bench', 'scripts', 'examples', 'docs'];
const skipped = ['**/node_modules/**', '**/dist/**', '**/generated/**', 'bench/build/**'];
const patience = {
  setupFiles: ['scripts/testing/patience.ts'],
  expect: { poll: { timeout: CONDITION_TIMEOUT_MS } },
  hookTimeout: TEST_TIMEOUT_MS,
};

const config: ViteUserConfig = {
  test: {
    pool: 'forks',
    maxWorkers: 2,
    environment: 'node',
    projects: [
      {
        test: {
          name: 'quick',
          include: everywhere.map((folder) => `${folder}/**/*.test.ts`),
          exclude: [...skipped, '**/*.slow.test.ts'],
          ...patience,
          testTimeout: TEST_TIMEOUT_MS,
        },
      },
      {
        test: {
          name: 'slow',
          include: everywhere.map((folder) => `${folder}/**/*.slow.test.ts`),
          exclude: skipped,
          ...patience,
          testTimeout: SLOW_TEST_TIMEOUT_MS,
          fileParallelism: false,
        },
      },
    ],
  },
};

export default config;
