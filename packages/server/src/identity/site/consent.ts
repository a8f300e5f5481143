import { hash } from 'node:crypto';
import type { Action, Principal } from '../../core/principal.ts';
import type { Consent } from '../authority.ts';
import type { Inquiry } from './inquiry.ts';

/** The body of a question (PROTOCOL.md section 13.3). */
export interface ConsentQuestion {
  readonly user: string;
  readonly action: Action;
  /** A channel, or a pattern where somebody wants to subscribe to one. */
  readonly channel: string;
  readonly claims: Readonly<Record<string, unknown>>;
}

/** Asks the site about a channel, where a rule leaves it to the site. It is never asked about whom nobody knows. */
export class SiteConsent implements Consent {
  readonly #inquiry: Inquiry<boolean>;

  constructor(inquiry: Inquiry<boolean>) {
    this.#inquiry = inquiry;
  }

  forget(user: string): void {
    this.#inquiry.forget(user);
  }

  ask({ user, claims }: Principal, action: Action, channel: string): boolean | Promise<boolean> {
    if (user === undefined) return false;
    const { key, body } = questionOf(user, claims, action, channel);
    return this.#inquiry.ask(key, () => body, user);
  }

  holdsUntil({ user, claims }: Principal, action: Action, channel: string): number {
    return user === undefined ? Infinity : this.#inquiry.holdsUntil(questionOf(user, claims, action, channel).key);
  }
}

function questionOf(
  user: string,
  claims: Principal['claims'],
  action: Action,
  channel: string,
): { readonly key: string; readonly body: string } {
  const question: ConsentQuestion = { user, action, channel, claims };
  const body = JSON.stringify(question);
  return { key: hash('sha256', body, 'base64url'), body };
}
