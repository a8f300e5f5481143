import type { Reporter, TestModule } from 'vitest/node';

const FILES = 15;

/** Prints, after a run of many files, those that took longest. */
export default class SlowestFiles implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    if (modules.length <= FILES) return;
    const timed = modules.map((module) => {
      const { collectDuration, setupDuration, duration } = module.diagnostic();
      return { module, durationMs: collectDuration + setupDuration + duration };
    });
    const slowest = timed.toSorted((one, other) => other.durationMs - one.durationMs).slice(0, FILES);
    console.log(' Slowest files');
    for (const { module, durationMs } of slowest)
      console.log(
        `${(durationMs / 1000).toFixed(1).padStart(8)} s  ${module.project.name}  ${module.relativeModuleId}`,
      );
  }
}
