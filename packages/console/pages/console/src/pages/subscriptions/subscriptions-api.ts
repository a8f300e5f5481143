import { read } from '../../hub/hub.ts';
import type { ListPage } from '../../parts/use-pages.ts';

export const STATES = ['pending', 'active', 'paused', 'suspended', 'ended'] as const;

/** A subscription, as far as the console shows it. */
export interface Subscription {
  readonly id: string;
  readonly name: string | null;
  readonly state: (typeof STATES)[number];
  readonly reason: string;
  readonly since: string;
  readonly channels: readonly string[];
  readonly types: readonly string[] | null;
  readonly filter: unknown;
  readonly ordering: string;
  readonly description: string;
  readonly delivery: {
    readonly kind: 'webhook' | 'pull';
    readonly url?: string;
    readonly format?: string;
    readonly dialect?: string;
    readonly secret?: string;
    readonly secrets?: readonly { readonly kind: string; readonly expires: string | null }[];
    readonly leaseSeconds?: number;
  };
  readonly owner: Readonly<Record<string, unknown>> | string | null;
  readonly created: string;
  readonly cursor: string;
  readonly backlog: {
    readonly inFlight: number;
    readonly failing: number;
    readonly waiting: number;
    readonly deadLetters: number;
    readonly lagMs: number;
    readonly lagEvents: number;
    readonly nextAttempt: string | null;
  };
}

export interface Attempt {
  readonly number: number;
  readonly event: string | null;
  readonly count: number;
  readonly attempt: number;
  readonly started: string;
  readonly outcome: string;
  readonly detail: string;
  readonly request: Readonly<Record<string, unknown>>;
  readonly response: Readonly<Record<string, unknown>> | null;
  readonly timing: Readonly<Record<string, number | null>>;
}

export interface DeadLetter {
  readonly event: string;
  readonly channel: string;
  readonly attempts: number;
  readonly since: string;
  readonly outcome: string;
  readonly detail: string;
  readonly payload?: unknown;
}

export interface Replay {
  readonly id: string;
  readonly after: string;
  readonly through: string;
  readonly reached: string;
}

/** The path of a subscription, and of a resource below it. */
export function pathOf(id: string, below = ''): string {
  return `subscriptions/${encodeURIComponent(id)}${below}`;
}

export async function listSubscriptions(
  filter: { readonly state: string; readonly channel: string },
  after: string | undefined,
  signal: AbortSignal,
): Promise<ListPage<Subscription>> {
  const given = Object.entries({ ...filter, limit: '50', after: after ?? '' }).filter(([, value]) => value !== '');
  const path = `subscriptions?${new URLSearchParams(given).toString()}`;
  const { subscriptions, next } = await read<{ subscriptions: readonly Subscription[]; next: string | null }>(
    path,
    signal,
  );
  return { items: subscriptions, next };
}

export async function listAttempts(
  id: string,
  after: string | undefined,
  signal: AbortSignal,
): Promise<ListPage<Attempt>> {
  const before = after === undefined ? '' : `&before=${after}`;
  const path = pathOf(id, `/attempts?limit=25${before}`);
  const { attempts, next } = await read<{ attempts: readonly Attempt[]; next: number | null }>(path, signal);
  return { items: attempts, next: next === null ? null : String(next) };
}

export async function listDeadLetters(
  id: string,
  after: string | undefined,
  signal: AbortSignal,
): Promise<ListPage<DeadLetter>> {
  const from = after === undefined ? '' : `&after=${after}`;
  const path = pathOf(id, `/dead-letters?limit=100${from}`);
  const { deadLetters, next } = await read<{ deadLetters: readonly DeadLetter[]; next: string | null }>(path, signal);
  return { items: deadLetters, next };
}

/** The colour of a state. */
export function levelOf(state: Subscription['state']): string {
  if (state === 'active') return 'well';
  return state === 'suspended' ? 'bad' : 'watch';
}

/** Where its events go, in a few words. */
export function targetOf({ name, delivery }: Subscription): string {
  if (delivery.kind === 'webhook') return delivery.url ?? 'webhook';
  return name === null ? 'pull queue' : `pull queue ${name}`;
}
