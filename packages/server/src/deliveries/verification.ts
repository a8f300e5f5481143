import { randomBytes } from 'node:crypto';
import { PolycastError } from '@polycast/protocol';
import type { Clock, Random } from '../core/ports.ts';
import type { SubscriptionDefinition, WebhookDelivery } from '../core/subscription/definition.ts';
import type { Due } from '../core/subscription/due-heap.ts';
import type { Attempt, Sender, Sent, SubscriptionStore } from '../core/subscription/ports.ts';
import { withJitter } from '../core/subscription/retry.ts';
import { TokenBuckets } from '../core/token-buckets.ts';
import { Alarm } from './alarm.ts';
import { attemptApart } from './attempt.ts';
import type { InFlight } from './in-flight-file.ts';
import type { Line } from './line.ts';
import type { Quarantine } from './quarantine.ts';
import {
  cloudEventsQuestion,
  hookSecretQuestion,
  signedQuestion,
  verifyEvent,
  type Question,
  type Verdict,
} from './webhook/consent.ts';
import { judge } from './webhook/outcome.ts';
import { signedHeaders } from './webhook/request.ts';

export interface VerificationParts {
  readonly epoch: string;
  /** What the hub calls itself, to those who are asked: a host name. */
  readonly origin: string;
  readonly sender: Sender;
  readonly store: SubscriptionStore;
  readonly clock: Clock;
  readonly inFlight: InFlight;
  readonly quarantine: Quarantine;
  readonly random: Random;
  /** How many times faster than on the wall time passes for the clock. */
  readonly speed: number;
  readonly nextAttempt: () => number;
  /** Resolves once it stands as the verdict has it. */
  readonly judged: (line: Line, verdict: Verdict) => Promise<void>;
}

/** From one question to the next, while the answer is no, or none: an endpoint may not be there yet. Then it counts as refused. */
const ASK_AGAIN_MS = [10_000, 60_000, 600_000, 3_600_000];
/** Nobody has an endpoint asked sooner after the question before, or a host more often than so many times a second. */
const ASK_INTERVAL_MS = 5000;
const HOST_ASKS_PER_SECOND = 10;

/** Asks endpoints whether they want what they would be sent (PROTOCOL.md section 14.5). */
export class Verification {
  readonly #parts: VerificationParts;
  readonly #alarm: Alarm<Asking>;
  readonly #asking = new Map<Line, Asking>();
  /** By host: the questions that somebody has asked for. */
  readonly #hosts = new TokenBuckets();

  constructor(parts: VerificationParts) {
    this.#parts = parts;
    this.#alarm = new Alarm<Asking>(parts.clock, parts.speed, (asking) => this.#ask(asking));
  }

  /** Asks now, and again, until there is a yes or it is given up. */
  begin(line: Line): void {
    this.forget(line);
    const asking: Asking = { line, asked: 0, askedMs: 0, underWay: undefined, dueMs: 0, heapIndex: -1 };
    this.#asking.set(line, asking);
    if (!this.#parts.quarantine.isHeld(line)) this.#ask(asking);
  }

  /** It may be asked now, where that had been put off. */
  released(line: Line): void {
    const asking = this.#asking.get(line);
    if (asking?.underWay === undefined && asking?.asked === 0) this.#ask(asking);
  }

  /**
   * Asks before its time, as somebody says that the endpoint is ready now, and from then on as if it had not been asked before.
   * Resolves once it stands as the answer has it; a question that is under way is that question.
   * @throws PolycastError `rate_limited`
   */
  async askAgain(line: Line): Promise<void> {
    const asking = this.#asking.get(line);
    if (asking === undefined) return;
    if (asking.underWay === undefined) {
      this.#throwTooSoon(asking);
      this.#alarm.remove(asking);
      asking.asked = 0;
      this.#ask(asking);
    }
    await asking.underWay;
  }

  forget(line: Line): void {
    const asking = this.#asking.get(line);
    if (asking === undefined) return;
    this.#alarm.remove(asking);
    this.#asking.delete(line);
  }

  /** Asks once, within somebody's call. */
  async askOnce(definition: SubscriptionDefinition): Promise<{ readonly verdict: Verdict; readonly attempt: Attempt }> {
    return this.#exchange(definition);
  }

  close(): void {
    this.#alarm.close();
    this.#asking.clear();
  }

  #throwTooSoon({ line, askedMs }: Asking): void {
    const nowMs = this.#parts.clock.monotonicMs();
    const tooSoonMs = Math.ceil(askedMs + ASK_INTERVAL_MS - nowMs);
    if (tooSoonMs > 0)
      throw new PolycastError('rate_limited', `Its endpoint was asked less than ${ASK_INTERVAL_MS / 1000} s ago.`, {
        retryAfterMs: tooSoonMs,
      });
    const { host } = new URL((line.definition.delivery as WebhookDelivery).url);
    const retryAfterMs = this.#hosts.take(host, HOST_ASKS_PER_SECOND, HOST_ASKS_PER_SECOND, nowMs);
    if (retryAfterMs > 0)
      throw new PolycastError('rate_limited', 'Too many endpoints of its host are asked.', { retryAfterMs });
  }

  #ask(asking: Asking): void {
    asking.askedMs = this.#parts.clock.monotonicMs();
    asking.underWay = this.#askNow(asking).finally(() => (asking.underWay = undefined));
  }

  async #askNow(asking: Asking): Promise<void> {
    const { line } = asking;
    const { clock, random, store, judged } = this.#parts;
    const { verdict, attempt } = await this.#exchange(line.definition, ++asking.asked);
    this.#parts.quarantine.landed(line, [0]);
    store.note([{ kind: 'attempt', attempt }]);
    // It may have been removed in the meantime, or lead elsewhere.
    if (this.#asking.get(line) !== asking) return;
    const delayMs = ASK_AGAIN_MS[asking.asked - 1];
    const isGone = attempt.outcome === 'gone';
    if (!verdict.isGiven && !isGone && delayMs !== undefined) {
      this.#alarm.set(asking, clock.nowMs() + withJitter(delayMs, random.fraction()));
      return;
    }
    await judged(line, verdict.isGiven ? verdict : { ...verdict, isGone });
  }

  async #exchange(
    definition: SubscriptionDefinition,
    asked = 1,
  ): Promise<{ readonly verdict: Verdict; readonly attempt: Attempt }> {
    const { epoch, sender, clock, nextAttempt, inFlight } = this.#parts;
    const { timeoutMs } = definition.delivery as WebhookDelivery;
    const startedMs = clock.nowMs();
    const { judge: judgeAnswer, ...question } = this.#question(definition, startedMs);
    const slot = inFlight.began(definition.id, 0);
    const sent: Sent = await sender.send({ ...question, timeoutMs });
    inFlight.ended(slot);
    const verdict = judgeAnswer(sent);
    const { outcome } = judge(sent, clock.nowMs());
    const known = {
      subscription: definition.id,
      number: nextAttempt(),
      epoch,
      attempt: asked,
      startedMs,
      outcome: outcome === 'delivered' && !verdict.isGiven ? 'answer' : outcome,
      detail: verdict.isGiven ? sent.detail : verdict.detail,
    };
    const attempt = attemptApart(known, question, sent);
    return { verdict, attempt };
  }

  #question({ id, delivery, ratePerSecond }: SubscriptionDefinition, nowMs: number): Question {
    const webhook = delivery as WebhookDelivery;
    const { url, dialect } = webhook;
    if (dialect === 'rest-hooks') return hookSecretQuestion(url, randomBytes(24).toString('base64url'));
    if (dialect === 'cloudevents')
      return cloudEventsQuestion(url, this.#parts.origin, ratePerSecond === undefined ? undefined : ratePerSecond * 60);
    const challenge = randomBytes(24).toString('base64url');
    const eventId = `verify_${randomBytes(12).toString('base64url')}`;
    const body = verifyEvent({ id: eventId, subscription: id, challenge, timeMs: nowMs });
    return signedQuestion(
      url,
      { ...webhook.headers, ...signedHeaders(webhook, eventId, body, nowMs) },
      body,
      challenge,
    );
  }
}

interface Asking extends Due {
  readonly line: Line;
  asked: number;
  /** When it was last asked, by the clock that does not go back. */
  askedMs: number;
  /** Until the last question is answered, and it stands as that has it. */
  underWay: Promise<void> | undefined;
}
