import { join } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * The order of test files. A file that takes long and begins last runs alone at the end, while the
 * other workers have nothing to do. Vitest knows durations from an earlier run on the same machine;
 * a fresh clone has none, and vitest takes the largest files first. A short file can run long:
 * `transport-switch.slow.test.ts` has 80 lines and takes a minute.
 *
 * The files that begin first in their project. The reporter of the slowest files shows who belongs
 * here: whatever takes more than 30 s, or more than 15 s in `quick`.
 */
export const LONGEST: readonly string[] = [
  // quick
  'scripts/docs/code-blocks.test.ts',
  'packages/client/src/work/work.test.ts',
  'packages/server/src/cli/commands/follow.test.ts',
  'packages/client/src/connection/identity.test.ts',
  'packages/server/src/storage/contract/log.test.ts',
  'packages/client/src/machine/machine.test.ts',
  'packages/server/src/storage/sqlite/log/open-database.test.ts',
  'packages/server/src/cli/commands/serve/run-hub.test.ts',
  'packages/server/src/outgoing/misbehaving-peers.test.ts',
  'packages/server/src/cli/json.test.ts',
  'scripts/tidy.test.ts',
  'packages/server/src/storage/open-storage.test.ts',
  'packages/client/build.test.ts',
  'conformance/conformance.test.ts',
  // slow: those that compute (generators, compilers) stand between those that wait.
  'conformance/cluster/faults/faults.slow.test.ts',
  'conformance/identity/presence.slow.test.ts',
  'conformance/cluster/balancer.slow.test.ts',
  'conformance/third-party/openapi.slow.test.ts',
  'conformance/cluster/hubs.slow.test.ts',
  'conformance/cluster/jetstream.slow.test.ts',
  'conformance/deployment/containers.slow.test.ts',
  'conformance/durability/subscriptions-kill.slow.test.ts',
  'packages/client/src/connection/transport-switch.slow.test.ts',
  'conformance/durability/webhook-kill.slow.test.ts',
  'conformance/durability/pull-kill.slow.test.ts',
  'conformance/durability/power-cut/power-cut.slow.test.ts',
  'conformance/durability/kill.slow.test.ts',
  'conformance/third-party/event-streams.slow.test.ts',
  'conformance/durability/backup.slow.test.ts',
  'conformance/durability/upgrade.slow.test.ts',
  // browser
  'packages/console/browser/lab.slow.test.ts',
  'conformance/installation/packages.slow.test.ts',
  'scripts/docs/site.slow.test.ts',
  'conformance/identity/php-site.slow.test.ts',
  'packages/client/browser/chromium.slow.test.ts',
  'packages/console/browser/portal.slow.test.ts',
  'packages/console/browser/console-channels.slow.test.ts',
];

const ROOT = join(import.meta.dirname, '../..');
const RANKS: ReadonlyMap<string, number> = new Map(LONGEST.map((path, index) => [join(ROOT, path), index]));

/** Vitest's own order, after the files that are known to take longest. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const groupOf = ({ project }: TestSpecification): number => project.config.sequence.groupOrder;
    const rankOf = ({ moduleId }: TestSpecification): number => RANKS.get(moduleId) ?? LONGEST.length;
    return sorted.toSorted((one, other) => groupOf(one) - groupOf(other) || rankOf(one) - rankOf(other));
  }
}
