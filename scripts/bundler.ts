import { rolldown, type InputOptions, type RolldownBuild } from 'rolldown';

export type { OutputOptions, Plugin } from 'rolldown';

/**
 * Opens a bundle of rolldown that contains all modules which `external` does not name. A module
 * that is not found fails the build. Rolldown alone would only warn, and the bundle would fail when
 * it is loaded.
 */
export function openBundle(options: InputOptions): Promise<RolldownBuild> {
  const { onLog } = options;
  return rolldown({
    ...options,
    onLog(level, log, print) {
      if (log.code === 'UNRESOLVED_IMPORT')
        throw new Error(`${log.exporter} is not found: ${log.id} imports it, and it is not named as external`);
      if (onLog === undefined) print(level, log);
      else onLog(level, log, print);
    },
  });
}
