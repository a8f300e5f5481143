import type { ClusterNotReady } from '../../../core/cluster-state.ts';
import type { BlockApplier } from '../block-applier.ts';
import type { Hearing } from '../hearing.ts';
import type { Journal } from '../journal.ts';
import type { LogLifecycle } from './log-lifecycle.ts';
import type { ViewComparison } from '../view-comparison.ts';

/** After this time without a sign of the journal, publishes are refused immediately. */
export const SILENT_MAX_MS = 10_000;

export interface LogHealthParts {
  readonly journal: Pick<Journal, 'silentMs' | 'unsafeReason'>;
  readonly lifecycle: Pick<LogLifecycle, 'hasEnded' | 'isStopped'>;
  readonly applier: Pick<BlockApplier, 'stalledMs'>;
  readonly hearing: Pick<Hearing, 'isHearing'>;
  readonly comparison: Pick<ViewComparison, 'hasDifference'>;
}

/** What a hub says of its log: `/healthz` has the problems, `/readyz` why it is not ready. */
export class LogHealth {
  readonly #parts: LogHealthParts;

  constructor(parts: LogHealthParts) {
    this.#parts = parts;
  }

  get problems(): readonly string[] {
    const { journal, comparison, lifecycle } = this.#parts;
    return [
      ...(journal.unsafeReason === undefined ? [] : ['cluster_unsafe']),
      ...(this.isSilent ? ['cluster_silent'] : []),
      ...(comparison.hasDifference ? ['cluster_view_differs'] : []),
      ...(lifecycle.isStopped ? ['cluster_upgrade_needed'] : []),
    ];
  }

  /** @param isUnavailable the log refuses appends, which says more to clients */
  notReadyReason(isUnavailable: boolean): ClusterNotReady | undefined {
    if (this.#parts.lifecycle.isStopped) return 'cluster_upgrade_needed';
    if (this.isSilent) return 'cluster_silent';
    if (isUnavailable) return undefined;
    if (!this.isHearing) return 'cluster_silent';
    return this.#parts.journal.unsafeReason === undefined ? undefined : 'cluster_unsafe';
  }

  /** Whether this hub hears of revocations: it applies the journal, or all hubs reach it. */
  get isHearing(): boolean {
    const { lifecycle, applier, hearing } = this.#parts;
    return !lifecycle.hasEnded && applier.stalledMs <= SILENT_MAX_MS && hearing.isHearing;
  }

  /** Publishes are refused immediately. */
  get isSilent(): boolean {
    return this.#parts.journal.silentMs > SILENT_MAX_MS;
  }
}
