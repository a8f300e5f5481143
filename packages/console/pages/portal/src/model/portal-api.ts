import type { Attempt, DeadLetter, Endpoint, EventType, Portal } from './resources.ts';

/** The hub's refusal of a request, in words for a person. */
export class RefusedError extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** The members of an endpoint that its owner decides. */
export interface EndpointOptions {
  readonly url: string;
  readonly description: string;
  readonly channels: readonly string[];
  /** `null`: all. */
  readonly types: readonly string[] | null;
}

/** Attempts, the newest first. */
export interface AttemptPage {
  readonly attempts: readonly Attempt[];
  /** The attempts below this number are the next page. */
  readonly next: number | null;
}

/** The requests of the portal, each with the token of its link. */
export class PortalApi {
  readonly #token: string;

  constructor(token: string) {
    this.#token = token;
  }

  portal(): Promise<Portal> {
    return this.#ask('GET', 'portal');
  }

  async eventTypes(): Promise<readonly EventType[]> {
    return (await this.#ask<{ eventTypes: EventType[] }>('GET', 'event-types')).eventTypes;
  }

  async endpoints(): Promise<readonly Endpoint[]> {
    const endpoints: Endpoint[] = [];
    for (let after = ''; ;) {
      const query = after === '' ? '' : `?after=${encodeURIComponent(after)}`;
      const page = await this.#ask<{ subscriptions: Endpoint[]; next: string | null }>('GET', `subscriptions${query}`);
      // The provider may have made queues for the same owner. They have no URL.
      endpoints.push(...page.subscriptions.filter(({ delivery }) => delivery.kind === 'webhook'));
      if (page.next === null) return endpoints;
      after = page.next;
    }
  }

  endpoint(id: string): Promise<Endpoint> {
    return this.#ask('GET', `subscriptions/${id}`);
  }

  create({ url, ...options }: EndpointOptions): Promise<Endpoint> {
    return this.#ask('POST', 'subscriptions', { ...options, delivery: { kind: 'webhook', url } });
  }

  change(id: string, { url, ...options }: EndpointOptions): Promise<Endpoint> {
    return this.#ask('PATCH', `subscriptions/${id}`, { ...options, delivery: { url } });
  }

  remove(id: string): Promise<void> {
    return this.#ask('DELETE', `subscriptions/${id}`);
  }

  setPaused(id: string, isPaused: boolean): Promise<Endpoint> {
    return this.#ask('POST', `subscriptions/${id}/${isPaused ? 'pause' : 'resume'}`);
  }

  test(id: string): Promise<Attempt> {
    return this.#ask('POST', `subscriptions/${id}/test`, {});
  }

  rotateSecret(id: string): Promise<Endpoint> {
    return this.#ask('POST', `subscriptions/${id}/rotate-secret`, {});
  }

  /** @param since RFC 3339 */
  replay(id: string, since: string): Promise<unknown> {
    return this.#ask('POST', `subscriptions/${id}/replay`, { since });
  }

  attempts(id: string, before?: number): Promise<AttemptPage> {
    return this.#ask('GET', `subscriptions/${id}/attempts?limit=20${before === undefined ? '' : `&before=${before}`}`);
  }

  /** The event of an attempt, as it was published; `null` if the hub no longer has it. */
  async payload(id: string, event: string): Promise<unknown> {
    return (await this.#ask<{ payload: unknown }>('GET', `subscriptions/${id}/events/${event}`)).payload;
  }

  async deadLetters(id: string): Promise<readonly DeadLetter[]> {
    return (await this.#ask<{ deadLetters: DeadLetter[] }>('GET', `subscriptions/${id}/dead-letters`)).deadLetters;
  }

  async retry(id: string, event?: string): Promise<number> {
    const path = event === undefined ? 'retry' : `${event}/retry`;
    return (await this.#ask<{ retried: number }>('POST', `subscriptions/${id}/dead-letters/${path}`)).retried;
  }

  async #ask<Value>(method: string, path: string, body?: object): Promise<Value> {
    const response = await fetch(new URL(`../v1/${path}`, document.baseURI), {
      method,
      // No cookie identifies anybody here.
      credentials: 'omit',
      headers: {
        authorization: `Bearer ${this.#token}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    }).catch(() => {
      throw new RefusedError('unreachable', 'The server does not answer. Check your connection, and try again.');
    });
    if (response.status === 204) return undefined as Value;
    const answer = (await response.json().catch(() => ({}))) as { code?: string; detail?: string; title?: string };
    if (response.ok) return answer as Value;
    throw new RefusedError(
      answer.code ?? '',
      answer.detail ?? answer.title ?? `The server answered ${response.status}.`,
    );
  }
}
