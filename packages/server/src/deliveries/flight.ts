import type { StoredRecord } from '../core/ports.ts';
import type { Lane } from '../core/subscription/lane.ts';
import type { SendRequest } from '../core/subscription/ports.ts';
import type { Progress } from '../core/subscription/progress.ts';
import type { Line } from './line.ts';

/** A request under way. */
export interface Flight {
  readonly line: Line;
  readonly progress: Progress;
  /** One, or those that share the request. */
  readonly lanes: readonly Lane[];
  /** What it carries, in the order of the log. */
  readonly records: readonly StoredRecord[];
  readonly request: SendRequest;
  readonly begunMs: number;
  readonly isDoubtful: boolean;
  readonly isProbe: boolean;
  /** Where it is noted for a hub that comes after a crash; -1 where it is not. */
  readonly slot: number;
}
