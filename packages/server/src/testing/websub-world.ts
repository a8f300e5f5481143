import { onTestFinished, vi } from 'vitest';
import { openAuthenticatedHub, type AuthenticatedHub } from './authenticated-hub.ts';
import { WebSubSubscriber } from './websub-subscriber.ts';

const WAIT = { interval: 5 };

/** A hub whose channels below `news` are public, and a subscriber to which it may send. */
export interface WebSubWorld {
  readonly hub: AuthenticatedHub;
  /** The administrator's key. */
  readonly key: string;
  readonly subscriber: WebSubSubscriber;
  readonly endpoint: string;
  topic(channel: string): string;
  /**
   * Requests a subscription, by default to the public topic with the usual callback. Resolves with
   * the status.
   */
  ask(parameters?: Readonly<Record<string, string | undefined>>): Promise<number>;
  /** Requests a subscription, and waits until the hub has stored it. */
  subscribe(parameters?: Readonly<Record<string, string | undefined>>): Promise<void>;
  publish(channel: string, body: string | Buffer, contentType: string): Promise<void>;
  /** The stored subscriptions, as an administrator sees them. */
  listSubscriptions(): Promise<readonly ListedSubscription[]>;
}

export interface ListedSubscription {
  readonly id: string;
  readonly channels: readonly string[];
  readonly state: string;
  readonly expires: string;
  readonly delivery: { readonly url: string };
}

/**
 * @param speed how many times faster time passes for the hub
 * @param before the earlier hub on the same data folder
 */
export async function openWebSubWorld(settings: object = {}, speed = 1, before?: WebSubWorld): Promise<WebSubWorld> {
  const subscriber = before?.subscriber ?? (await WebSubSubscriber.start());
  if (before === undefined) onTestFinished(() => subscriber.close());
  const hub = await openAuthenticatedHub(
    {
      outgoing: { allow: [`127.0.0.1:${subscriber.port}`] },
      rules: [{ pattern: 'news.>', subscribe: ['anyone'] }],
      ...settings,
    },
    speed,
  );
  const key = before?.key ?? (hub.firstKey as string);
  const endpoint = `${hub.url}/v1/websub`;
  const topic = (channel: string): string => `${hub.url}/v1/channels/${channel}`;
  const ask: WebSubWorld['ask'] = (parameters = {}) =>
    subscriber.ask(endpoint, {
      mode: 'subscribe',
      topic: topic('news.world'),
      callback: subscriber.callback(),
      ...parameters,
    });
  const listSubscriptions: WebSubWorld['listSubscriptions'] = async () => {
    const answer = await fetch(`${hub.url}/v1/subscriptions`, { headers: { Authorization: `Bearer ${key}` } });
    return ((await answer.json()) as { readonly subscriptions: readonly ListedSubscription[] }).subscriptions;
  };
  return {
    hub,
    key,
    subscriber,
    endpoint,
    topic,
    ask,
    listSubscriptions,
    async subscribe(parameters = {}) {
      const before = JSON.stringify(await listSubscriptions());
      if ((await ask(parameters)) !== 202) throw new Error('it was not taken');
      await waitUntil(async () => JSON.stringify(await listSubscriptions()) !== before);
    },
    async publish(channel, body, contentType) {
      const answer = await fetch(`${topic(channel)}/events`, {
        method: 'POST',
        headers: { Authorization: `Bearer ${key}`, 'Content-Type': contentType },
        body: new Uint8Array(Buffer.from(body)),
      });
      if (answer.status !== 201) throw new Error(await answer.text());
    },
  };
}

/** Waits for a condition. */
export function waitUntil(condition: () => boolean | Promise<boolean>): Promise<void> {
  return vi.waitFor(async () => {
    if (!(await condition())) throw new Error('it has not come to that');
  }, WAIT);
}
