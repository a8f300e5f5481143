import { closeSync, ftruncateSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';

/**
 * The file `webhooks-in-flight` of a data folder. It exists while a hub runs, so a hub that finds it knows that the one before was
 * killed or crashed. After such an end this hub writes down each request to an endpoint before it is sent, and erases it when it is
 * answered: should the process die again, the next one knows which requests were in flight. `sub_1` at position 7, in flight:
 * `f 0 sub_1 7`. Writes are not synced: they outlive the process, which is all that they are for.
 */
export interface InFlightJournal {
  /** Subscriptions that were being sent to when a hub ended that had itself begun after such an end. */
  readonly suspects: ReadonlyMap<string, CrashSuspect>;
  /** Notes a request before it is sent. @returns what `ended` is told; -1 where nothing is noted */
  onStarted(subscription: string, position: number): number;
  onEnded(slot: number): void;
  /** It has been sent to, and the process lives. */
  clearSuspect(subscription: string): void;
  /** From here on nothing is noted. */
  stopRecording(): void;
  /** The hub ends in order. Suspects that have not been tried stay suspects. */
  close(): void;
}

export interface CrashSuspect {
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
const NOT_RECORDING = 'calm';
const RECORDING = 'careful';
const SLOT_PATTERN = /^(?<state>[fh]) (?<crashes>\d{1,6}) (?<subscription>\S{1,32}) (?<position>\d{1,16}) *$/;

/** For data that is in memory alone: there is nobody to tell. */
export const NO_JOURNAL: InFlightJournal = {
  suspects: new Map(),
  onStarted: () => -1,
  onEnded: () => undefined,
  clearSuspect: () => undefined,
  stopRecording: () => undefined,
  close: () => undefined,
};

/** @param onError is told once, of an error of the disk; nothing is noted from then on */
export function openInFlightJournal(path: string, onError: (error: unknown) => void): InFlightJournal {
  return new InFlightJournalFile(path, onError);
}

class InFlightJournalFile implements InFlightJournal {
  readonly suspects: ReadonlyMap<string, CrashSuspect>;
  readonly #path: string;
  readonly #onError: (error: unknown) => void;
  readonly #slotBuffer = Buffer.alloc(SLOT_BYTES);
  readonly #free: number[] = [];
  /** Slots that say of a suspect that it has not been tried. */
  readonly #untriedSlots = new Map<string, number[]>();
  #fd: number | undefined;
  #isRecording: boolean;
  #isBroken = false;
  /** The first one says how this hub began. */
  #next = 1;

  constructor(path: string, onError: (error: unknown) => void) {
    this.#path = path;
    this.#onError = onError;
    const before = textOf(path);
    this.#isRecording = before !== undefined;
    this.suspects = parseSuspects(before ?? '');
    this.#tryWrite(() => {
      this.#fd = openSync(path, 'w', 0o600);
      this.#write(0, this.#isRecording ? RECORDING : NOT_RECORDING);
      for (const subscription of this.suspects.keys()) this.#writeUntried(subscription);
    });
  }

  onStarted(subscription: string, position: number): number {
    if (!this.#isRecording) return -1;
    const crashes = this.suspects.get(subscription)?.crashes ?? 0;
    return this.#claimSlot(`f ${crashes} ${subscription} ${position}`);
  }

  onEnded(slot: number): void {
    if (slot < 0 || !this.#isRecording) return;
    this.#free.push(slot);
    this.#tryWrite(() => this.#write(slot, ''));
  }

  clearSuspect(subscription: string): void {
    for (const slot of this.#untriedSlots.get(subscription) ?? []) this.onEnded(slot);
    this.#untriedSlots.delete(subscription);
  }

  stopRecording(): void {
    if (!this.#isRecording) return;
    this.#isRecording = false;
    this.#untriedSlots.clear();
    this.#tryWrite((fd) => {
      this.#write(0, NOT_RECORDING);
      ftruncateSync(fd, SLOT_BYTES);
    });
  }

  close(): void {
    this.#tryWrite((fd) => {
      // What has not been answered by now is given up in order: it is nothing to suspect anybody for.
      ftruncateSync(fd, SLOT_BYTES);
      this.#free.length = 0;
      this.#next = 1;
      for (const subscription of this.#untriedSlots.keys()) this.#writeUntried(subscription);
      this.#fd = undefined;
      closeSync(fd);
      if (this.#untriedSlots.size === 0) rmSync(this.#path, { force: true });
    });
  }

  #writeUntried(subscription: string): void {
    const { crashes, positions } = this.suspects.get(subscription) as CrashSuspect;
    const slots = positions.map((position) => this.#claimSlot(`h ${crashes} ${subscription} ${position}`));
    this.#untriedSlots.set(subscription, slots);
  }

  #claimSlot(text: string): number {
    if (this.#free.length === 0 && this.#next >= SLOTS_MAX) return -1;
    const slot = this.#free.pop() ?? this.#next++;
    this.#tryWrite(() => this.#write(slot, text));
    return slot;
  }

  #write(slot: number, text: string): void {
    this.#slotBuffer.fill(' ');
    this.#slotBuffer.write(text, 'latin1');
    this.#slotBuffer[SLOT_BYTES - 1] = LINE_FEED;
    writeSync(this.#fd as number, this.#slotBuffer, 0, SLOT_BYTES, slot * SLOT_BYTES);
  }

  #tryWrite(act: (fd: number) => void): void {
    if (this.#isBroken) return;
    try {
      act(this.#fd as number);
    } catch (error) {
      this.#isBroken = true;
      this.#isRecording = false;
      this.#onError(error);
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

function parseSuspects(text: string): Map<string, CrashSuspect> {
  const suspects = new Map<string, { crashes: number; positions: number[] }>();
  for (const line of text.split('\n')) {
    const { state, crashes = '0', subscription = '', position = '0' } = SLOT_PATTERN.exec(line)?.groups ?? {};
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
