import { openAuthenticatedHub, type AuthenticatedHub } from './authenticated-hub.ts';

/** An answer of `GET /v1/explain`. */
export interface Explained {
  readonly outcome: string;
  readonly reason: string;
  readonly sentence: string;
  readonly event: Readonly<Record<string, unknown>>;
  readonly steps: readonly {
    readonly step: string;
    readonly verdict: string;
    readonly reason?: string;
    readonly time: string | null;
    readonly text: string;
    readonly link: string | null;
    readonly detail?: Readonly<Record<string, unknown>>;
  }[];
}

/** A reader that a question is about: `{ user: 'ann' }`. */
export type Reader = Readonly<Partial<Record<'user' | 'session' | 'subscription' | 'channel', string>>>;

export interface ExplainWorld {
  readonly hub: AuthenticatedHub;
  /** Publishes as a server. Returns the event's id. */
  publish(channel: string, data: unknown, type?: string): Promise<string>;
  api(event: string, reader: Reader): Promise<Explained>;
  json(method: string, path: string, body?: unknown): Promise<Readonly<Record<string, unknown>>>;
}

export const EXPLAIN_RULES: readonly object[] = [
  { pattern: 'chat.>', subscribe: ['users'], publish: ['users'], history: ['users'] },
  { pattern: 'staff.>', subscribe: [{ claim: 'role', value: 'staff' }], history: ['users'] },
  { pattern: 'short.>', subscribe: ['users'], history: ['users'], historyAgeMaxSeconds: 60 },
];

export async function openExplainWorld(settings: object = {}, speed?: number): Promise<ExplainWorld> {
  const hub = await openAuthenticatedHub({ rules: EXPLAIN_RULES, ...settings }, speed);
  const json: ExplainWorld['json'] = async (method, path, body) => {
    const answer = await hub.administer(method, path, body);
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${text}`);
    return JSON.parse(text) as Readonly<Record<string, unknown>>;
  };
  const api: ExplainWorld['api'] = async (event, reader) =>
    (await json('GET', `/v1/explain?${new URLSearchParams({ event, ...reader }).toString()}`)) as unknown as Explained;
  return {
    hub,
    json,
    api,
    async publish(channel, data, type) {
      const { id } = await json('POST', '/v1/events', { channel, data, ...(type !== undefined && { type }) });
      return id as string;
    },
  };
}
