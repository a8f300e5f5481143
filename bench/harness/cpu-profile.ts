// Where a hub spent its CPU time, from a profile of V8. A share within one process does not depend
// on how busy the machine was, so it shows a difference of a percent.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** From when to when, in microseconds of the machine's monotonic clock. */
export type Window = readonly [from: number, until: number];

export function nowMicroseconds(): number {
  return Number(process.hrtime.bigint() / 1000n);
}

/** Arguments of Node: it writes a profile into the folder when it ends. */
export function profiledInto(folder: string): readonly string[] {
  return ['--cpu-prof', `--cpu-prof-dir=${folder}`, '--cpu-prof-interval=200'];
}

export class CpuProfile {
  readonly #profile: Profile;
  readonly #nodes: ReadonlyMap<number, ProfileNode>;
  readonly #parents = new Map<number, number>();

  constructor(folder: string) {
    // Each thread writes one; that of the event loop has the number 0.
    const file = readdirSync(folder).find((name) => /\.0\.\d+\.cpuprofile$/.test(name));
    if (file === undefined) throw new Error(`${folder} has no profile`);
    this.#profile = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Profile;
    this.#nodes = new Map(this.#profile.nodes.map((node) => [node.id, node]));
    for (const { id, children = [] } of this.#profile.nodes) for (const child of children) this.#parents.set(child, id);
  }

  /**
   * The samples in the code of some files, and in what it calls, relative to all other samples of
   * the event loop's thread. Idle ones do not count, and the garbage collector is among the others.
   */
  percentOf(isNamed: (url: string) => boolean, windows: readonly Window[]): number {
    const named = new Set(this.#profile.nodes.filter((node) => isNamed(node.callFrame.url)).map(({ id }) => id));
    const isUnderNamed = (id: number | undefined): boolean =>
      id !== undefined && (named.has(id) || isUnderNamed(this.#parents.get(id)));
    let [ofNamed, ofOthers] = [0, 0];
    let at = this.#profile.startTime;
    for (const [index, id] of this.#profile.samples.entries()) {
      at += this.#profile.timeDeltas[index] ?? 0;
      if (!windows.some(([from, until]) => at >= from && at <= until)) continue;
      if (this.#nodes.get(id)?.callFrame.functionName === '(idle)') continue;
      if (isUnderNamed(id)) ofNamed++;
      else ofOthers++;
    }
    return (100 * ofNamed) / ofOthers;
  }
}

interface Profile {
  readonly startTime: number;
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  /** The time before each sample. */
  readonly timeDeltas: readonly number[];
}

interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string };
  readonly children?: readonly number[];
}
