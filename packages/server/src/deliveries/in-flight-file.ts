import { closeSync, ftruncateSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';

/**
 * The file `webhooks-in-flight` of a data folder. It exists while a hub runs, so a hub that finds it knows that the one before was
 * killed or crashed. After such an end this hub writes down each request to an endpoint before it is sent, and erases it when it is
 * answered: should the process die again, the next one knows which requests were in flight. `sub_1` at position 7, in flight:
 * `f 0 sub_1 7`. Writes are not synced: they outlive the process, which is all that they are for.
 */
export interface InFlight {
  /** Subscriptions that were being sent to when a hub ended that had itself begun after such an end. */
  readonly suspects: ReadonlyMap<string, Suspect>;
  /** Notes a request before it is sent. @returns what `ended` is told; -1 where nothing is noted */
  began(subscription: string, position: number): number;
  ended(slot: number): void;
  /** It has been sent to, and the process lives. */
  cleared(subscription: string): void;
  /** From here on nothing is noted. */
  relax(): void;
  /** The hub ends in order. Suspects that have not been tried stay suspects. */
  close(): void;
}

export interface Suspect {
  /** How many ends of the process it was in flight at, as far as that is known. */
  readonly crashes: number;
  /** Of the events that were in flight; 0 for a question to the endpoint. */
  readonly positions: readonly number[];
}

/** In the data folder. */
export const IN_FLIGHT_FILE = 'webhooks-in-flight';

/** In bytes, with a line break. */
const SLOT_BYTES = 64;
/** Requests that are noted at once; further ones are not. */
const SLOTS_MAX = 20_000;
const CALM = 'calm';
const CAREFUL = 'careful';
const LINE = /^(?<state>[fh]) (?<crashes>\d{1,6}) (?<subscription>\S{1,32}) (?<position>\d{1,16}) *$/;

/** For data that is in memory alone: there is nobody to tell. */
export const NOT_NOTED: InFlight = {
  suspects: new Map(),
  began: () => -1,
  ended: () => undefined,
  cleared: () => undefined,
  relax: () => undefined,
  close: () => undefined,
};

/** @param failed is told once, of an error of the disk; nothing is noted from then on */
export function openInFlightFile(path: string, failed: (error: unknown) => void): InFlight {
  return new InFlightFile(path, failed);
}

class InFlightFile implements InFlight {
  readonly suspects: ReadonlyMap<string, Suspect>;
  readonly #path: string;
  readonly #failed: (error: unknown) => void;
  readonly #line = Buffer.alloc(SLOT_BYTES);
  readonly #free: number[] = [];
  /** Slots that say of a suspect that it has not been tried. */
  readonly #held = new Map<string, number[]>();
  #fd: number | undefined;
  #isCareful: boolean;
  #isBroken = false;
  /** The first one says how this hub began. */
  #next = 1;

  constructor(path: string, failed: (error: unknown) => void) {
    this.#path = path;
    this.#failed = failed;
    const before = textOf(path);
    this.#isCareful = before !== undefined;
    this.suspects = suspectsIn(before ?? '');
    this.#attempt(() => {
      this.#fd = openSync(path, 'w', 0o600);
      this.#write(0, this.#isCareful ? CAREFUL : CALM);
      for (const subscription of this.suspects.keys()) this.#hold(subscription);
    });
  }

  began(subscription: string, position: number): number {
    if (!this.#isCareful) return -1;
    const crashes = this.suspects.get(subscription)?.crashes ?? 0;
    return this.#take(`f ${crashes} ${subscription} ${position}`);
  }

  ended(slot: number): void {
    if (slot < 0 || !this.#isCareful) return;
    this.#free.push(slot);
    this.#attempt(() => this.#write(slot, ''));
  }

  cleared(subscription: string): void {
    for (const slot of this.#held.get(subscription) ?? []) this.ended(slot);
    this.#held.delete(subscription);
  }

  relax(): void {
    if (!this.#isCareful) return;
    this.#isCareful = false;
    this.#held.clear();
    this.#attempt((fd) => {
      this.#write(0, CALM);
      ftruncateSync(fd, SLOT_BYTES);
    });
  }

  close(): void {
    this.#attempt((fd) => {
      // What has not been answered by now is given up in order: it is nothing to suspect anybody for.
      ftruncateSync(fd, SLOT_BYTES);
      this.#free.length = 0;
      this.#next = 1;
      for (const subscription of this.#held.keys()) this.#hold(subscription);
      this.#fd = undefined;
      closeSync(fd);
      if (this.#held.size === 0) rmSync(this.#path, { force: true });
    });
  }

  #hold(subscription: string): void {
    const { crashes, positions } = this.suspects.get(subscription) as Suspect;
    const slots = positions.map((position) => this.#take(`h ${crashes} ${subscription} ${position}`));
    this.#held.set(subscription, slots);
  }

  #take(text: string): number {
    if (this.#free.length === 0 && this.#next >= SLOTS_MAX) return -1;
    const slot = this.#free.pop() ?? this.#next++;
    this.#attempt(() => this.#write(slot, text));
    return slot;
  }

  #write(slot: number, text: string): void {
    this.#line.fill(' ');
    this.#line.write(text, 'latin1');
    this.#line[SLOT_BYTES - 1] = LINE_FEED;
    writeSync(this.#fd as number, this.#line, 0, SLOT_BYTES, slot * SLOT_BYTES);
  }

  #attempt(act: (fd: number) => void): void {
    if (this.#isBroken) return;
    try {
      act(this.#fd as number);
    } catch (error) {
      this.#isBroken = true;
      this.#isCareful = false;
      this.#failed(error);
    }
  }
}

const LINE_FEED = 10;

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
}

function suspectsIn(text: string): Map<string, Suspect> {
  const suspects = new Map<string, { crashes: number; positions: number[] }>();
  for (const line of text.split('\n')) {
    const { state, crashes = '0', subscription = '', position = '0' } = LINE.exec(line)?.groups ?? {};
    if (state === undefined) continue;
    const count = Number(crashes) + (state === 'f' ? 1 : 0);
    const known = suspects.get(subscription);
    if (known === undefined) suspects.set(subscription, { crashes: count, positions: [Number(position)] });
    else {
      known.crashes = Math.max(known.crashes, count);
      if (!known.positions.includes(Number(position))) known.positions.push(Number(position));
    }
  }
  return suspects;
}
