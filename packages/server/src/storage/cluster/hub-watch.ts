import { FLEET_HUBS_MAX, FLEET_SILENCE_MS, type HubBeat } from './fleet.ts';

/** A hub whose beats have ended is remembered for this long. */
const REMEMBERED_MS = 3_600_000;

/** A hub with the last thing that it said. */
export interface WatchedHub {
  readonly beat: HubBeat;
  readonly silentMs: number;
  readonly isGone: boolean;
}

interface Watched {
  readonly beat: HubBeat;
  readonly firstMs: number;
  readonly lastMs: number;
}

/**
 * The hubs that were heard within the last hour, also those that run no more. Example: of three
 * hubs one is killed. The list has it as gone, until a hub starts on its machine. FLEET_HUBS_MAX
 * are remembered; beyond it, the one that is silent for the longest time is forgotten.
 */
export class HubWatch {
  /** The last beat of each hub. The hub that is silent for the longest time is the first. */
  readonly #watched = new Map<string, Watched>();

  onBeat(beat: HubBeat, nowMs: number): void {
    const firstMs = this.#watched.get(beat.hub)?.firstMs ?? nowMs;
    this.#watched.delete(beat.hub);
    this.#watched.set(beat.hub, { beat, firstMs, lastMs: nowMs });
    if (this.#watched.size > FLEET_HUBS_MAX) this.#watched.delete(this.#watched.keys().next().value as string);
  }

  list(nowMs: number): readonly WatchedHub[] {
    for (const [hub, { lastMs }] of this.#watched) if (nowMs - lastMs > REMEMBERED_MS) this.#watched.delete(hub);
    const replaced = replacedHubs([...this.#watched.values()]);
    const listed: WatchedHub[] = [];
    for (const [hub, { beat, lastMs }] of this.#watched) {
      const silentMs = nowMs - lastMs;
      const isGone = silentMs > FLEET_SILENCE_MS;
      if (!isGone || !replaced.has(hub)) listed.push({ beat, silentMs, isGone });
    }
    return listed;
  }
}

/**
 * The hubs after whose last beat another one began on the same machine. A hub that starts again has
 * another name. Each later hub replaces one.
 */
function replacedHubs(all: readonly Watched[]): ReadonlySet<string> {
  const replaced = new Set<string>();
  const waiting = new Map<string, Watched[]>();
  for (const later of all.toSorted((one, other) => one.firstMs - other.firstMs)) {
    const { host } = later.beat;
    const before = waiting.get(host) ?? [];
    const index = before.findIndex(({ lastMs }) => lastMs < later.firstMs);
    if (index >= 0) for (const { beat } of before.splice(index, 1)) replaced.add(beat.hub);
    before.push(later);
    waiting.set(host, before);
  }
  return replaced;
}
