import type { SubscriptionDefinition } from '../core/subscription/definition.ts';

/** Of each kind: more different values than this are not remembered, nor are longer ones, which are somebody's own. */
const PARTS_MAX = 1000;
const KEY_LENGTH_MAX = 200;

/**
 * The same definition, whose parts are those of others where they are equal: of thousands most have the same owner and the same retries,
 * and neither headers nor notes. An idle subscription is little more than its definition.
 */
export function withSharedParts(definition: SubscriptionDefinition): SubscriptionDefinition {
  const { owner, metadata, delivery } = definition;
  return {
    ...definition,
    owner: owners.one(owner),
    metadata: texts.one(metadata),
    delivery:
      delivery.kind === 'pull'
        ? delivery
        : { ...delivery, headers: texts.one(delivery.headers), retryDelaysMs: delays.one(delivery.retryDelaysMs) },
  };
}

/** Values of one shape, each in one place. They are not changed, as nothing of a definition is. */
class Parts<Part extends object> {
  readonly #known = new Map<string, Part>();

  one(part: Part): Part {
    const key = JSON.stringify(part);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    if (key.length <= KEY_LENGTH_MAX && this.#known.size < PARTS_MAX) this.#known.set(key, part);
    return part;
  }
}

const owners = new Parts<SubscriptionDefinition['owner']>();
const texts = new Parts<Readonly<Record<string, string>>>();
const delays = new Parts<readonly number[]>();
