import { PolycastError } from '@polycast/protocol';
import type { IdentityChange } from '../../../core/access/identity-store.ts';
import type { StorageLogger } from '../../home.ts';

interface PendingWrite {
  readonly changes: () => readonly IdentityChange[];
  /** The change has taken effect. It is tried again until the journal has it. */
  readonly isInForce: boolean;
  readonly onStored: (() => void) | undefined;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Changes of one command, as a number of calls. */
const WRITES_MAX = 500;
/** Calls that may wait. Changes in force beyond it are in force and are not stored. */
const PENDING_MAX = 100_000;

/**
 * Changes without conditions on their way to the journal. Those that come while a command is in
 * flight share the next one. Example: 500 users log out at once, and three commands have
 * their revocations.
 */
export class WriteQueue {
  readonly #append: (changes: readonly IdentityChange[]) => Promise<void>;
  readonly #logger: Pick<StorageLogger, 'warn'>;
  #pending: PendingWrite[] = [];
  #unwritten: PendingWrite[] = [];
  #isRunning = false;
  /** Reported until a write succeeds. */
  #hasFailed = false;

  constructor(append: (changes: readonly IdentityChange[]) => Promise<void>, logger: Pick<StorageLogger, 'warn'>) {
    this.#append = append;
    this.#logger = logger;
  }

  /** Resolves when the changes are durable. `changes` is called for each try. */
  add(changes: () => readonly IdentityChange[], isInForce: boolean, onStored?: () => void): Promise<void> {
    if (this.#pending.length + this.#unwritten.length >= PENDING_MAX)
      return Promise.reject(new PolycastError('overloaded'));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#pending.push({ changes, isInForce, onStored, resolve, reject });
    this.#start();
    return promise;
  }

  /** Tries again what is in force and not stored. Rejects if it fails again. */
  async retry(): Promise<void> {
    const unwritten = this.#unwritten.splice(0);
    if (unwritten.length === 0) return;
    await Promise.all(unwritten.map(({ changes, onStored }) => this.add(changes, true, onStored)));
  }

  #start(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    // Calls of one turn share a command.
    queueMicrotask(() => void this.#run());
  }

  async #run(): Promise<void> {
    while (this.#pending.length > 0) {
      const writes = this.#pending.splice(0, WRITES_MAX);
      try {
        await this.#append(writes.flatMap(({ changes }) => changes()));
        this.#hasFailed = false;
        for (const { onStored, resolve } of writes) {
          onStored?.();
          resolve();
        }
      } catch (error) {
        this.#onFailed(writes, error);
      }
    }
    this.#isRunning = false;
  }

  #onFailed(writes: readonly PendingWrite[], error: unknown): void {
    const inForce = writes.filter(({ isInForce }) => isInForce);
    this.#unwritten.push(...inForce);
    if (inForce.length > 0 && !this.#hasFailed)
      this.#logger.warn(
        { error: String(error), count: inForce.length },
        'cluster: revocations are not durable yet, retrying',
      );
    this.#hasFailed ||= inForce.length > 0;
    for (const { isInForce, reject } of writes) reject(isInForce ? inForceError(error) : error);
  }
}

function inForceError(error: unknown): unknown {
  if (!(error instanceof PolycastError)) return error;
  return new PolycastError(
    error.code,
    'The change is in force at the hubs that this one reaches. The hub stores it when it can, and loses it if it stops before.',
    { retryAfterMs: 1000 },
    { cause: error.cause },
  );
}
