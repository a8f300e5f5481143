import type { Logger } from '../core/ports.ts';
import type { Actor, Audit } from '../core/audit.ts';
import { ConfigError, type Config } from '../config/parse.ts';
import { planReload } from '../config/reload-plan.ts';
import { ConfiguredKeyError } from '../identity/configured-key.ts';
import type { ReloadOutcome } from '../administration/reload-route.ts';

/**
 * Prepares the use of a new configuration, and changes nothing yet. The returned function applies
 * it, and may name settings whose files have changed. It must not fail.
 * @throws ConfigError, ConfiguredKeyError: no part applies anything
 */
export type PrepareReload = (config: Config) => () => readonly string[] | void | Promise<readonly string[] | void>;

export interface ReloadServices {
  /** Reads the configuration again, from where the start read it. @throws ConfigError */
  readonly loadConfig: () => Promise<Config>;
  readonly audit: Audit;
  /** Checks the live sessions under the new rules. Returns how many lost a channel or ended. */
  readonly checkSessions: () => Promise<number>;
}

/**
 * Applies a changed configuration to a running hub. Each part with live settings registers here
 * when it opens. All parts prepare before the first one applies, so an unusable configuration
 * changes nothing.
 */
export class Reloader {
  #config: Config;
  readonly #logger: Logger;
  readonly #parts: PrepareReload[] = [];
  #running: Promise<unknown> = Promise.resolve();

  constructor(config: Config, logger: Logger) {
    this.#config = config;
    this.#logger = logger;
  }

  /** The configuration in force. */
  get config(): Config {
    return this.#config;
  }

  add(prepare: PrepareReload): void {
    this.#parts.push(prepare);
  }

  /** Reloads. A reload that is in progress ends first. Never rejects. */
  reload(services: ReloadServices, by: Actor): Promise<ReloadOutcome> {
    const reloading = this.#running.then(() => this.#reload(services, by));
    this.#running = reloading;
    return reloading;
  }

  async #reload({ loadConfig, audit, checkSessions }: ReloadServices, by: Actor): Promise<ReloadOutcome> {
    const subject = 'configuration';
    try {
      const { config, applied, restart } = planReload(this.#config, await loadConfig());
      const commits = this.#parts.map((prepare) => prepare(config));
      const changedFiles: string[] = [];
      for (const commit of commits) changedFiles.push(...((await commit()) ?? []));
      this.#config = config;
      const sessions = await checkSessions();
      const outcome = { applied: [...new Set([...applied, ...changedFiles])], restart, sessions };
      audit.record({ action: 'configuration.reloaded', subject, by, detail: outcome });
      this.#logger.info(outcome, 'configuration: reloaded');
      if (restart.length > 0) this.#logger.warn({ restart }, 'configuration: these changes need a restart');
      return { ok: true, ...outcome };
    } catch (error) {
      const problems = problemsOf(error);
      if (problems === undefined) {
        // A part that cannot apply what it prepared. The hub continues, and logs the error.
        this.#logger.error({ error }, 'configuration: reload failed');
        return {
          ok: false,
          problems: [{ path: '', message: 'The reload failed. The log of the hub has the reason.' }],
        };
      }
      audit.record({ action: 'configuration.refused', subject, by, detail: { problems: problems.length } });
      this.#logger.error({ problems }, 'configuration: reload refused, nothing has changed');
      return { ok: false, problems };
    }
  }
}

function problemsOf(error: unknown): readonly { readonly path: string; readonly message: string }[] | undefined {
  if (error instanceof ConfigError) return error.problems;
  if (error instanceof ConfiguredKeyError) return [{ path: error.path, message: error.message }];
  return undefined;
}
