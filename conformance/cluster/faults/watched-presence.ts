import { signToken, ISSUER } from '../../identity/kit/tokens.ts';
import { Follower, type Transport } from '../../kit/clients/followers.ts';
import { call } from '../../kit/http.ts';
import type { Seeded } from '../../kit/seeded.ts';
import { until } from '../../kit/wait.ts';

const ROOM = 'room';
const SECRET = 'a secret of at least thirty-two bytes';
/** A run of some faults is shorter. */
const TOKEN_SECONDS = 24 * 3600;
const PRESENT_TIMEOUT_MS = 120_000;

/** The configuration of hubs that have these users. */
export const PRESENCE_CONFIG = {
  presence: { graceSeconds: 2 },
  rules: [{ pattern: ROOM, presence: ['anyone'] }],
  identity: { tokens: [{ issuer: ISSUER, audience: 'polycast', keys: [{ algorithm: 'HS256', secret: SECRET }] }] },
};

/** Users and the transports of their sessions. Each of these keeps a connection. */
const SESSIONS: readonly (readonly [string, Transport])[] = [
  ['ann', 'sse'],
  ['bob', 'websocket'],
  ['cleo', 'sse'],
  ['cleo', 'ndjson'],
];

/** Users with sessions at any hubs of a cluster under faults. At the end all hubs show them. */
export class WatchedPresence {
  readonly #sessions: { readonly user: string; readonly follower: Follower }[];

  constructor(urls: readonly string[], random: Seeded) {
    const exp = Math.floor(Date.now() / 1000) + TOKEN_SECONDS;
    this.#sessions = SESSIONS.map(([user, transport]) => {
      const token = signToken(SECRET, user, { exp });
      return { user, follower: new Follower(random.pick(urls), transport, { channels: [ROOM], after: 'now', token }) };
    });
  }

  /** Some sessions go to another hub. */
  move(urls: readonly string[], random: Seeded): void {
    for (const { follower } of this.#sessions) {
      if (random.below(3) > 0) continue;
      follower.hub = random.pick(urls);
      follower.reconnect();
    }
  }

  /** All hubs show the same users; then each leaves. */
  async expectRight(urls: readonly string[]): Promise<void> {
    await this.#untilPresent(urls, ['ann 1', 'bob 1', 'cleo 2']);
    await this.#leave('cleo');
    await this.#untilPresent(urls, ['ann 1', 'bob 1']);
    await this.stop();
    await this.#untilPresent(urls, []);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#sessions.map(({ follower }) => follower.stop()));
  }

  async #leave(leaving: string): Promise<void> {
    for (const { user, follower } of this.#sessions) if (user === leaving) await follower.stop();
  }

  async #untilPresent(urls: readonly string[], expected: readonly string[]): Promise<void> {
    for (const url of urls) {
      let seen = '';
      await until(
        'the hub shows who is present',
        async () => (seen = await membersAt(url)) === expected.join(),
        PRESENT_TIMEOUT_MS,
      ).catch((error: unknown) => {
        throw new Error(`${(error as Error).message}: ${seen} at ${url}, not ${expected.join()}`);
      });
    }
  }
}

/** `ann 1,cleo 2`: the users at a hub and their sessions, or why it has no answer. */
async function membersAt(url: string): Promise<string> {
  const reply = await call(`${url}/v1/channels/${ROOM}/presence`).catch(String);
  if (typeof reply === 'string') return reply;
  if (reply.status !== 200) return reply.text;
  return reply
    .json<{ members: { user: string; sessions: number }[] }>()
    .members.map(({ user, sessions }) => `${user} ${sessions}`)
    .toSorted()
    .join();
}
