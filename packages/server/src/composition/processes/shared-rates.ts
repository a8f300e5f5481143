import type { Publisher } from '../../core/publish.ts';
import type { FollowerLinks } from '../../processes/follower-links.ts';
import type { OwnerLink } from '../../processes/owner-link.ts';
import { decodeJson, encodeJson } from '../../processes/process-channel.ts';

/**
 * Rates of publishing hold for the hub: each process takes tokens from buckets of its own, and
 * sends the others what it has taken. Example: a client with a burst of 200 publishes 150 events at
 * one process, and 50 more at any. What is taken in the same moment at two processes may exceed the
 * burst; the buckets then owe it, and the client waits longer.
 */
export function shareRatesAtOwner(followers: FollowerLinks, publisher: Publisher): void {
  const taken = new TakenTokens((body) => followers.broadcast('tokens', body));
  publisher.rates.onTokenTaken(taken.add);
  followers.on('tokens', (from, body) => {
    spend(publisher, body);
    for (const link of followers.all) if (link !== from) link.channel.send('tokens', body);
  });
}

export function shareRatesAtFollower(owner: OwnerLink, publisher: Publisher): void {
  const taken = new TakenTokens((body) => owner.send('tokens', body));
  publisher.rates.onTokenTaken(taken.add);
  owner.on('tokens', (body) => spend(publisher, body));
}

/** Tokens that were taken from a bucket: its name, their number, its rate and its burst. */
type Taken = [name: string, count: number, perSecond: number, burst: number];

function spend(publisher: Publisher, body: Buffer): void {
  for (const [name, count, perSecond, burst] of decodeJson<readonly Taken[]>(body))
    publisher.rates.spendTokens(name, count, perSecond, burst);
}

/** The tokens of one turn of the event loop are one message. */
class TakenTokens {
  readonly #send: (body: Buffer) => void;
  #byName = new Map<string, Taken>();

  constructor(send: (body: Buffer) => void) {
    this.#send = send;
  }

  readonly add = (name: string, perSecond: number, burst: number): void => {
    const taken = this.#byName.get(name);
    if (taken !== undefined) return void taken[1]++;
    this.#byName.set(name, [name, 1, perSecond, burst]);
    if (this.#byName.size === 1) setImmediate(() => this.#flush());
  };

  #flush(): void {
    const all = [...this.#byName.values()];
    this.#byName = new Map();
    this.#send(encodeJson(all));
  }
}
