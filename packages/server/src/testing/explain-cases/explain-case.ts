import { connect } from 'node:net';
import { expect, onTestFinished, vi } from 'vitest';
import { openExplainWorld, type ExplainWorld, type Reader } from '../explain-world.ts';
import { openEndpoint, waitUntil, type Endpoint } from '../subscription-hub.ts';

/**
 * One way in which an event can miss its reader, or reach it. Example: the reader asks for events
 * of the type `paid`, and the event has the type `sent`.
 */
export interface ExplainCase {
  readonly name: string;
  /** Makes it happen. No two cases share a channel or a user, so one hub can have all of them. */
  readonly arrange: (
    world: ExplainWorld,
    endpoints: Endpoints,
  ) => Promise<{ readonly event: string; readonly reader: Reader }>;
  readonly outcome: string;
  readonly reason: string;
  readonly sentence: RegExp;
}

/** One endpoint that accepts all requests, and one that fails. */
export interface Endpoints {
  readonly healthy: Endpoint;
  readonly failing: Endpoint;
}

const SUBSCRIPTIONS = { suspendAfterSeconds: 10, failingNoticeSeconds: 5, probeSeconds: 3600, trustedEndpoints: ['*'] };

/** A hub for any of the cases, and the endpoints of its webhooks. */
export async function openCaseWorld(settings: object = {}): Promise<{ world: ExplainWorld; endpoints: Endpoints }> {
  const healthy = await openEndpoint();
  const failing = await openEndpoint((_received, response) => void response.writeHead(500).end());
  const allow = [healthy, failing].map(({ url }) => new URL(url).host);
  const delivery = { stalledTimeoutMs: 60_000 };
  const world = await openExplainWorld({ subscriptions: SUBSCRIPTIONS, outgoing: { allow }, delivery, ...settings });
  return { world, endpoints: { healthy, failing } };
}

export async function endSessions(hub: ExplainWorld['hub'], user: string): Promise<void> {
  const list = async (): Promise<readonly { session: string }[]> =>
    ((await (await hub.administer('GET', `/v1/sessions?user=${user}`)).json()) as { sessions: { session: string }[] })
      .sessions;
  for (const { session } of await list()) await hub.administer('DELETE', `/v1/sessions/${session}`);
  await waitUntil(async () => expect(await list()).toEqual([]));
}

/** Polls as a user; returns the cursor of the answer. */
export function pollAs(hub: ExplainWorld['hub'], user: string): (query: string) => Promise<string> {
  const headers = { Authorization: `Bearer ${hub.token(user)}` };
  return async (query) => {
    const answer = await fetch(`${hub.url}/v1/events?${query}`, { headers });
    return ((await answer.json()) as { cursor: string }).cursor;
  };
}

export async function createPull(json: ExplainWorld['json'], definition: object): Promise<string> {
  // By default a lease ends after half a minute, which passes quickly here.
  const delivery = { kind: 'pull', leaseSeconds: 43_200 };
  return (await json('POST', '/v1/subscriptions', { ...definition, delivery }))['id'] as string;
}

/** A webhook of an endpoint, and one event of it. */
export async function failingWebhook(
  { json, publish }: ExplainWorld,
  endpoint: Endpoint,
  channel: string,
  delivery: object,
  until: (subscription: string, event: string) => Promise<void>,
): Promise<{ readonly event: string; readonly reader: Reader }> {
  const { id } = await json('POST', '/v1/subscriptions', {
    channels: [channel],
    delivery: { kind: 'webhook', url: endpoint.url, ...delivery },
  });
  const event = await publish(channel, 1);
  await waitUntil(() => until(id as string, event));
  return { event, reader: { subscription: id as string } };
}

/**
 * A user opens a stream and takes no bytes. Publishes until the session is behind. Returns the
 * event that it has not reached.
 */
export async function readUntilBehind(
  { hub, json, api, publish }: ExplainWorld,
  user: string,
  channel: string,
): Promise<string> {
  const socket = connect(hub.port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  socket.pause();
  socket.on('error', () => undefined);
  socket.write(
    `GET /v1/events?channel=${channel} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nAuthorization: Bearer ${hub.token(user)}\r\n\r\n`,
  );
  await waitUntil(async () => expect((await json('GET', `/v1/sessions?user=${user}`))['sessions']).toHaveLength(1));
  let event = '';
  await vi.waitFor(
    async () => {
      event = await publish(channel, 'x'.repeat(200_000));
      expect((await api(event, { user })).reason).toBe('session_behind');
    },
    { interval: 1 },
  );
  return event;
}
