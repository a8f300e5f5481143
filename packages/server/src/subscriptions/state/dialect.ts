/**
 * A dialect is the convention that a webhook's endpoint expects. It determines how a request is
 * signed, how the endpoint is verified, and what its subscription may change. Example: the dialect
 * `standard` signs each request with `webhook-signature`, and its endpoint returns a challenge.
 */

import type { StoredRecord } from '../../core/ports.ts';
import type { BodyFormat, DialectName, Secret, WebhookDefinition, WebhookDelivery } from './definition.ts';
import type { SendRequest, SendResult } from './sender.ts';

/** A dialect, as one object. `dialects/registry.ts` lists them. */
export interface Dialect {
  readonly name: DialectName;
  /**
   * Whether `POST /v1/subscriptions` creates subscriptions of this dialect. Otherwise it has routes
   * of its own.
   */
  readonly isCreatable: boolean;
  /** The format of the bodies, unless the subscription has another. */
  readonly defaultFormat: BodyFormat;
  /**
   * Whether URL and channel identify a subscription. At most one then has them, and its URL never
   * changes.
   */
  readonly isKeyedByEndpoint: boolean;
  /** Members of a subscription, and of its `delivery`, that no PATCH changes: names and reasons. */
  readonly fixedMembers: Readonly<Record<string, string>>;
  readonly fixedDeliveryMembers: Readonly<Record<string, string>>;
  /** The reason why the hub may not replace the secret; `undefined`: it may. */
  readonly rotationRefusal: string | undefined;
  /** Names of headers that the dialect itself sets, so that no subscriber may; in lower case. */
  readonly reservedHeaders: RegExp;
  /** Whether the endpoint receives gaps. Otherwise a request with gaps alone is not sent. */
  readonly reportsGaps: boolean;
  /** How the hub verifies an endpoint; `undefined`: the routes of the dialect have verified it. */
  readonly verification: VerificationMethod | undefined;
  /**
   * The headers of one attempt by which the endpoint authenticates the hub.
   * @param id the id of the request, the same for every attempt
   * @param records the events of the body; none for a verification
   * @throws TypeError if a secret is invalid
   */
  signatureHeaders(
    secrets: readonly Secret[],
    id: string,
    body: Uint8Array,
    nowMs: number,
    records: readonly StoredRecord[],
  ): Readonly<Record<string, string>>;
  /** The public facts about a secret, as the API shows them: its kind, its public key, its end. */
  describeSecret(secret: Secret): object;
  /** The request that informs an endpoint when an operator removes its subscription, if any. */
  removalNotice(delivery: WebhookDelivery, metadata: WebhookDefinition['metadata']): SendRequest | undefined;
}

export interface VerificationMethod {
  /**
   * True: within the call that creates the subscription. False: afterwards, with retries, while the
   * subscription is `pending`.
   */
  readonly isWithinCreation: boolean;
  request(target: VerificationTarget, context: VerificationContext): VerificationRequest;
}

/** The subscription whose endpoint is verified. */
export type VerificationTarget = Pick<WebhookDefinition, 'id' | 'ratePerSecond' | 'delivery'>;

export interface VerificationContext {
  /** Host name by which the hub identifies itself to endpoints. */
  readonly origin: string;
  readonly nowMs: number;
  /** A random text of this number of bytes, in base64url. */
  randomText(byteCount: number): string;
}

/**
 * A request that asks an endpoint whether it wants the events, and the check of its response
 * (PROTOCOL.md section 14.5).
 */
export interface VerificationRequest extends Omit<SendRequest, 'timeoutMs'> {
  evaluate(sent: SendResult): VerificationResult;
}

export type VerificationResult =
  /** `ratePerMinute`: the highest rate that the endpoint allows; `undefined` if it names none. */
  | { readonly isVerified: true; readonly ratePerMinute: number | undefined }
  /** `detail` is a text for people. */
  | { readonly isVerified: false; readonly detail: string };

/** For dialects that verify by a 2xx response and a check of it. */
export function evaluateResponse(
  sent: SendResult,
  check: (answer: NonNullable<SendResult['answer']>) => true | string,
): VerificationResult {
  const { answer } = sent;
  if (answer === undefined) return notVerified(sent.detail);
  if (answer.status < 200 || answer.status > 299) return notVerified(`it answered with status ${answer.status}`);
  const outcome = check(answer);
  return outcome === true ? { isVerified: true, ratePerMinute: undefined } : notVerified(outcome);
}

export function notVerified(detail: string): VerificationResult {
  return { isVerified: false, detail };
}

/** The dialects of a hub. */
export class Dialects {
  /** In the order of the registry. */
  readonly names: readonly DialectName[];
  /** The names of those that `POST /v1/subscriptions` creates; the first is the default. */
  readonly creatableNames: readonly DialectName[];
  readonly #all: readonly Dialect[];
  readonly #byName: ReadonlyMap<DialectName, Dialect>;

  constructor(all: readonly Dialect[]) {
    this.#all = all;
    this.names = all.map(({ name }) => name);
    this.creatableNames = all.filter(({ isCreatable }) => isCreatable).map(({ name }) => name);
    this.#byName = new Map(all.map((dialect) => [dialect.name, dialect]));
  }

  /** @throws Error for a name that no dialect of this version has */
  get(name: DialectName): Dialect {
    const dialect = this.#byName.get(name);
    if (dialect === undefined) throw new Error(`this version of Polycast has no dialect "${name}"`);
    return dialect;
  }

  /** Whether a dialect sets this header, so that no subscriber may. */
  isReservedHeader(name: string): boolean {
    return this.#all.some(({ reservedHeaders }) => reservedHeaders.test(name));
  }
}
