/** What the hub says about a portal link: whose it is, and what its owner may choose. */
export interface Portal {
  readonly owner: string;
  readonly channels: readonly string[];
  /** RFC 3339. */
  readonly expires: string;
  readonly theme: Readonly<Record<string, string>>;
}

/** A subscription of the owner. On this page it is called an endpoint. */
export interface Endpoint {
  readonly id: string;
  readonly state: 'pending' | 'active' | 'paused' | 'suspended' | 'ended';
  readonly description: string;
  readonly channels: readonly string[];
  readonly types: readonly string[] | null;
  readonly delivery: { readonly kind: string; readonly url: string; readonly secret?: string };
  readonly created: string;
  readonly backlog: { readonly deadLetters: number; readonly failing: number; readonly waiting: number };
}

export interface EventType {
  readonly name: string;
  readonly description: string;
}

export interface Attempt {
  readonly number: number;
  readonly event: string | null;
  readonly attempt: number;
  readonly started: string;
  readonly outcome: string;
  readonly detail: string;
  readonly request: { readonly url: string; readonly headers: Readonly<Record<string, string>> };
  readonly response: {
    readonly status: number;
    readonly headers: Readonly<Record<string, string>>;
    readonly body: string;
  } | null;
  readonly timing: { readonly totalMs: number };
}

export interface DeadLetter {
  readonly event: string;
  readonly channel: string;
  readonly attempts: number;
  readonly since: string;
  readonly outcome: string;
}

/** The words for each state, and whether it needs the owner's attention. */
export const STATES: Readonly<Record<Endpoint['state'], { readonly text: string; readonly tone: Tone }>> = {
  pending: { text: 'Not verified', tone: 'warning' },
  active: { text: 'Active', tone: 'good' },
  paused: { text: 'Paused', tone: 'neutral' },
  suspended: { text: 'Failing, retried now and then', tone: 'bad' },
  ended: { text: 'Ended', tone: 'neutral' },
};

export type Tone = 'good' | 'warning' | 'bad' | 'neutral';

/** `refused_status` as people read it. */
export function outcomeText(outcome: string): string {
  return OUTCOMES[outcome] ?? outcome.replaceAll('_', ' ');
}

const OUTCOMES: Readonly<Record<string, string>> = {
  delivered: 'Delivered',
  refused_status: 'Refused by the endpoint',
  gone: 'The endpoint is gone',
  slowed_down: 'The endpoint asked to slow down',
  redirected: 'Redirected',
  timeout: 'No answer in time',
  connection: 'No connection',
  name_not_found: 'Host name not found',
  destination: 'Address not allowed',
  certificate: 'Certificate not valid',
};
