import type { ViteUserConfig } from 'vitest/config';

/**
 * Two projects. `quick` is what `npm run check` runs. `slow` holds the suites that start many processes, browsers or
 * long loads (`*.slow.test.ts`); `npm test` and CI run both.
 */
const everywhere = ['packages', 'conformance', 'simulation', 'bench', 'scripts', 'examples', 'docs'];
const skipped = ['**/node_modules/**', '**/dist/**', '**/generated/**', 'bench/build/**'];

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
          testTimeout: 30_000,
          hookTimeout: 30_000,
        },
      },
      {
        test: {
          name: 'slow',
          include: everywhere.map((folder) => `${folder}/**/*.slow.test.ts`),
          exclude: skipped,
          testTimeout: 180_000,
          hookTimeout: 60_000,
          fileParallelism: false,
        },
      },
    ],
  },
};

export default config;
