import type { Attempt } from '../../../subscriptions/state/ports.ts';
import type { AttemptsQuery, ErasedAttempts } from '../../../subscriptions/state/subscription-store.ts';
import { keptMaxOf, type AttemptBounds } from '../../shared/attempt-bounds.ts';

/**
 * Attempts of all subscriptions that are in memory: some 80 MB with long answers, and 8 MB without.
 */
const ATTEMPTS_MAX = 4_000;

/**
 * The newest attempts of the hub that works on subscriptions. They are samples for a person to look
 * at, so they are in memory only, and another owner begins without any.
 */
export class RecentAttempts {
  readonly #bounds: AttemptBounds;
  /** By their numbers, the oldest first. */
  readonly #attempts = new Map<number, Attempt>();
  /** Numbers of the delivered and of the failed attempts of each subscription, the oldest first. */
  readonly #numbers = new Map<string, readonly [delivered: Set<number>, failed: Set<number>]>();

  constructor(bounds: AttemptBounds) {
    this.#bounds = bounds;
  }

  get count(): number {
    return this.#attempts.size;
  }

  add(attempt: Attempt): void {
    const { number, subscription } = attempt;
    const isDelivered = attempt.outcome === 'delivered';
    const numbers = this.#numbersOf(subscription)[isDelivered ? 0 : 1];
    this.#attempts.set(number, attempt);
    numbers.add(number);
    if (numbers.size > keptMaxOf(this.#bounds, isDelivered)) this.#drop(first(numbers));
    if (this.#attempts.size > Math.min(ATTEMPTS_MAX, this.#bounds.attemptsKeptMax))
      this.#drop(first(this.#attempts.keys()));
  }

  /** The subscription was removed. */
  forget(subscription: string): void {
    for (const numbers of this.#numbers.get(subscription) ?? [])
      for (const number of numbers) this.#attempts.delete(number);
    this.#numbers.delete(subscription);
  }

  erase({ epoch, positions, texts }: ErasedAttempts): void {
    for (const [number, attempt] of this.#attempts)
      if (
        positions.some((position) => isOf(attempt, epoch, position)) ||
        texts.some((text) => JSON.stringify(attempt).includes(text))
      )
        this.#drop(number);
  }

  /** The newest first. */
  page({ subscription, event, before, limit }: AttemptsQuery): readonly Attempt[] {
    const attempts =
      subscription === undefined
        ? [...this.#attempts.values()]
        : [...(this.#numbers.get(subscription) ?? [])].flatMap((numbers) =>
            Array.from(numbers, (number) => this.#attempts.get(number) as Attempt),
          );
    return attempts
      .filter(
        (attempt) => attempt.number < before && (event === undefined || isOf(attempt, event.epoch, event.position)),
      )
      .toSorted((one, other) => other.number - one.number)
      .slice(0, limit);
  }

  #numbersOf(subscription: string): readonly [Set<number>, Set<number>] {
    let numbers = this.#numbers.get(subscription);
    if (numbers === undefined) this.#numbers.set(subscription, (numbers = [new Set(), new Set()]));
    return numbers as readonly [Set<number>, Set<number>];
  }

  #drop(number: number): void {
    const attempt = this.#attempts.get(number);
    if (attempt === undefined) return;
    this.#attempts.delete(number);
    for (const numbers of this.#numbers.get(attempt.subscription) ?? []) numbers.delete(number);
  }
}

function isOf({ epoch, position, others }: Attempt, eventEpoch: string, eventPosition: number): boolean {
  return epoch === eventEpoch && (position === eventPosition || others.includes(eventPosition));
}

function first(numbers: Iterable<number>): number {
  const [number = 0] = numbers;
  return number;
}
