import { PolycastError } from '@polycast/protocol';
import { defaultBurst, type ChannelSettings } from './access/channel-rules.ts';
import type { Clock } from './ports.ts';
import { TokenBuckets } from './primitives/token-buckets.ts';

/** The rate of one client. It can change while the hub runs. */
export interface ClientRate {
  /** Events a second that each client may publish over all channels. `null`: no limit. */
  readonly clientPublishRatePerSecond?: number | null;
  /** The burst of this rate. `null`: the events of two seconds. */
  readonly clientPublishBurst?: number | null;
}

/** A token of the rate limit with this name was taken. */
export type TokenListener = (name: string, perSecond: number, burst: number) => void;

/** The rates of publishing: of each client, of each user on a channel, and of each channel. */
export class PublishRates {
  readonly #clock: Clock;
  readonly #buckets = new TokenBuckets();
  #clientRate: number | undefined;
  #clientBurst = 0;
  #onTokenTaken: TokenListener | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The next publish obeys these limits. */
  setLimits({ clientPublishRatePerSecond, clientPublishBurst }: ClientRate): void {
    this.#clientRate = clientPublishRatePerSecond ?? undefined;
    this.#clientBurst = clientPublishBurst ?? defaultBurst(this.#clientRate);
  }

  /** Calls this with each token that a publish takes, for the other processes of the hub. */
  onTokenTaken(listener: TokenListener): void {
    this.#onTokenTaken = listener;
  }

  /** Tokens that publishes have taken at another process of the hub. */
  spendTokens(name: string, count: number, perSecond: number, burst: number): void {
    this.#buckets.spend(name, count, perSecond, burst, this.#clock.monotonicMs());
  }

  /**
   * The limits of the client come first: a limited client takes no tokens of the limits that others
   * share.
   */
  refusal(channel: string, settings: ChannelSettings, client: string | undefined): PolycastError | undefined {
    if (client !== undefined) {
      const { userPublishRatePerSecond, userPublishBurst } = settings;
      const limited =
        (this.#clientRate === undefined
          ? undefined
          : this.#takeToken(client, this.#clientRate, this.#clientBurst, 'A client may publish')) ??
        (userPublishRatePerSecond === undefined
          ? undefined
          : this.#takeToken(
              `${client}\n${channel}`,
              userPublishRatePerSecond,
              userPublishBurst,
              `${channel} accepts from one user`,
            ));
      if (limited !== undefined) return limited;
    }
    const { publishRatePerSecond, publishBurst } = settings;
    if (publishRatePerSecond === undefined) return undefined;
    return this.#takeToken(channel, publishRatePerSecond, publishBurst, `${channel} takes`);
  }

  #takeToken(name: string, perSecond: number, burst: number, subject: string): PolycastError | undefined {
    const retryAfterMs = this.#buckets.take(name, perSecond, burst, this.#clock.monotonicMs());
    if (retryAfterMs === 0) {
      this.#onTokenTaken?.(name, perSecond, burst);
      return undefined;
    }
    return new PolycastError('rate_limited', `${subject} ${perSecond} events a second.`, { retryAfterMs });
  }
}
