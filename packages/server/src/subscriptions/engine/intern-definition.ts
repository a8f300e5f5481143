import type { Delivery, SubscriptionDefinition } from '../state/definition.ts';

/**
 * Bounds of each pool, in values and characters. Further or longer values are not shared; long ones
 * are rarely equal.
 */
const POOL_SIZE_MAX = 1000;
const KEY_LENGTH_MAX = 200;

/**
 * A copy of a definition that shares equal parts with other definitions. Among thousands, most have
 * the same owner and retry delays, and neither headers nor metadata. An idle subscription needs
 * little more memory than its definition.
 * @param patterns those of its interest, sorted; its channels are these where they are equal
 */
export function internDefinition<Definition extends SubscriptionDefinition>(
  definition: Definition,
  patterns: readonly string[],
): Definition {
  const { owner, channels, metadata, delivery } = definition;
  const isSorted = channels.length === patterns.length && channels.every((channel, at) => channel === patterns[at]);
  return {
    ...definition,
    channels: isSorted ? patterns : channels,
    owner: owners.intern(owner),
    metadata: texts.intern(metadata),
    delivery: internDelivery(delivery),
  };
}

function internDelivery(delivery: Delivery): Delivery {
  if (delivery.kind === 'pull') return delivery;
  const { headers, retryDelaysMs } = delivery;
  return { ...delivery, headers: texts.intern(headers), retryDelaysMs: delays.intern(retryDelaysMs) };
}

/** Shares equal values of one shape. The values are immutable, as all parts of a definition are. */
class InternPool<Part extends object> {
  readonly #known = new Map<string, Part>();

  intern(part: Part): Part {
    const key = JSON.stringify(part);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    if (key.length <= KEY_LENGTH_MAX && this.#known.size < POOL_SIZE_MAX) this.#known.set(key, part);
    return part;
  }
}

const owners = new InternPool<SubscriptionDefinition['owner']>();
const texts = new InternPool<Readonly<Record<string, string>>>();
const delays = new InternPool<readonly number[]>();
