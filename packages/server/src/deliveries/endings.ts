import type { Clock } from '../core/ports.ts';
import type { Due } from '../core/subscription/due-heap.ts';
import { Alarm } from './alarm.ts';
import type { Line } from './line.ts';

/** Calls for each subscription whose time is over. One that never ends costs nothing here. */
export class Endings {
  readonly #alarm: Alarm<Ending>;
  readonly #endings = new Map<Line, Ending>();

  constructor(clock: Clock, speed: number, over: (line: Line) => void) {
    this.#alarm = new Alarm<Ending>(clock, speed, ({ line }) => {
      this.#endings.delete(line);
      over(line);
    });
  }

  /** As its definition says now; what has ended ends no more. */
  set(line: Line): void {
    const { endsMs } = line.definition;
    if (endsMs === undefined || line.standing.state === 'ended') return this.forget(line);
    let ending = this.#endings.get(line);
    if (ending === undefined) this.#endings.set(line, (ending = { line, dueMs: 0, heapIndex: -1 }));
    this.#alarm.set(ending, endsMs);
  }

  forget(line: Line): void {
    const ending = this.#endings.get(line);
    if (ending === undefined) return;
    this.#alarm.remove(ending);
    this.#endings.delete(line);
  }

  close(): void {
    this.#alarm.close();
  }
}

interface Ending extends Due {
  readonly line: Line;
}
