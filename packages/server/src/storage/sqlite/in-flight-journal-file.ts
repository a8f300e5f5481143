import { closeSync, ftruncateSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import type { CrashSuspect, InFlightJournal } from '../../subscriptions/state/in-flight-journal.ts';

/** File name in the data folder. */
export const IN_FLIGHT_FILE = 'webhooks-in-flight';

/** Length of a slot in bytes, including the line break. */
const SLOT_BYTES = 64;
/** Number of slots. When all slots are in use, further requests are not recorded. */
const SLOTS_MAX = 20_000;
const NOT_RECORDING = 'calm';
const RECORDING = 'careful';
const SLOT_PATTERN = /^(?<state>[fh]) (?<crashes>\d{1,6}) (?<subscription>\S{1,32}) (?<position>\d{1,16}) *$/;

/** @param onError called once, at the first disk error; nothing is recorded after it */
export function openInFlightJournal(path: string, onError: (error: unknown) => void): InFlightJournal {
  return new InFlightJournalFile(path, onError);
}

class InFlightJournalFile implements InFlightJournal {
  readonly suspects: ReadonlyMap<string, CrashSuspect>;
  readonly #path: string;
  readonly #onError: (error: unknown) => void;
  readonly #slotBuffer = Buffer.alloc(SLOT_BYTES);
  readonly #free: number[] = [];
  /** Slots that mark a suspect as not yet tried. */
  readonly #untriedSlots = new Map<string, number[]>();
  #fd: number | undefined;
  #isRecording: boolean;
  #isBroken = false;
  /** Slot 0 holds the mode in which this hub began. */
  #next = 1;

  constructor(path: string, onError: (error: unknown) => void) {
    this.#path = path;
    this.#onError = onError;
    const before = textOf(path);
    this.#isRecording = before !== undefined;
    this.suspects = parseSuspects(before ?? '');
    try {
      this.#fd = openSync(path, 'w', 0o600);
    } catch (error) {
      this.#onWriteFailed(error);
    }
    this.#tryWrite((fd) => {
      this.#write(fd, 0, this.#isRecording ? RECORDING : NOT_RECORDING);
      for (const [subscription, suspect] of this.suspects) this.#writeUntried(subscription, suspect);
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
    this.#tryWrite((fd) => this.#write(fd, slot, ''));
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
      this.#write(fd, 0, NOT_RECORDING);
      ftruncateSync(fd, SLOT_BYTES);
    });
  }

  close(): void {
    this.#tryWrite((fd) => {
      // Shutdown cancels the remaining requests. They are no reason for suspicion.
      ftruncateSync(fd, SLOT_BYTES);
      this.#free.length = 0;
      this.#next = 1;
      for (const [subscription, suspect] of this.suspects)
        if (this.#untriedSlots.has(subscription)) this.#writeUntried(subscription, suspect);
      this.#fd = undefined;
      closeSync(fd);
      if (this.#untriedSlots.size === 0) rmSync(this.#path, { force: true });
    });
  }

  #writeUntried(subscription: string, { crashes, positions }: CrashSuspect): void {
    const slots = positions.map((position) => this.#claimSlot(`h ${crashes} ${subscription} ${position}`));
    this.#untriedSlots.set(subscription, slots);
  }

  #claimSlot(text: string): number {
    if (this.#free.length === 0 && this.#next >= SLOTS_MAX) return -1;
    const slot = this.#free.pop() ?? this.#next++;
    this.#tryWrite((fd) => this.#write(fd, slot, text));
    return slot;
  }

  #write(fd: number, slot: number, text: string): void {
    this.#slotBuffer.fill(' ');
    this.#slotBuffer.write(text, 'latin1');
    this.#slotBuffer[SLOT_BYTES - 1] = LINE_FEED;
    writeSync(fd, this.#slotBuffer, 0, SLOT_BYTES, slot * SLOT_BYTES);
  }

  #tryWrite(act: (fd: number) => void): void {
    if (this.#isBroken || this.#fd === undefined) return;
    try {
      act(this.#fd);
    } catch (error) {
      this.#onWriteFailed(error);
    }
  }

  #onWriteFailed(error: unknown): void {
    this.#isBroken = true;
    this.#isRecording = false;
    this.#onError(error);
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
