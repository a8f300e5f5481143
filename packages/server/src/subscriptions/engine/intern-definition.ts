import type { SubscriptionDefinition } from '../state/definition.ts';

/** Of each kind: more different values than this are not remembered, nor are longer ones, which are somebody's own. */
const POOL_SIZE_MAX = 1000;
const KEY_LENGTH_MAX = 200;

/**
 * The same definition, whose parts are those of others where they are equal: of thousands most have the same owner and the same retries,
 * and neither headers nor notes. An idle subscription is little more than its definition.
 */
export function internDefinition(definition: SubscriptionDefinition): SubscriptionDefinition {
  const { owner, metadata, delivery } = definition;
  return {
    ...definition,
    owner: owners.intern(owner),
    metadata: texts.intern(metadata),
    delivery:
      delivery.kind === 'pull'
        ? delivery
        : {
            ...delivery,
            headers: texts.intern(delivery.headers),
            retryDelaysMs: delays.intern(delivery.retryDelaysMs),
          },
  };
}

/** Values of one shape, each in one place. They are not changed, as nothing of a definition is. */
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
