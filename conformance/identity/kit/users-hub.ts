import { Follower, type Transport, type FollowOptions } from '../../kit/clients/followers.ts';
import { startHubProcess, type HubProcess, type HubSettings } from '../../kit/hub-process.ts';
import { call, type Reply } from '../../kit/http.ts';
import { until } from '../../kit/wait.ts';
import { firstKey } from './keys.ts';
import { ISSUER, signToken } from './tokens.ts';

const SECRET = 'a secret of at least thirty-two bytes';

/**
 * A hub with users by tokens, a key with all permissions, and readers of all users. Everything ends
 * with the hub.
 */
export interface UsersHub {
  readonly process: HubProcess;
  readonly url: string;
  readonly key: string;
  token(user: string, claims?: Readonly<Record<string, unknown>>): string;
  /** A reader for a user, or with a token. */
  follow(transport: Transport, options: FollowOptions & { readonly user?: string }): Follower;
  /** A request with the key, or with other credentials. */
  request(method: string, path: string, body?: unknown, more?: RequestOptions): Promise<Reply>;
  end(): Promise<void>;
}

export interface RequestOptions {
  readonly token?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** @param key of a hub that ran before on this folder */
export async function startUsersHub(
  config: Readonly<Record<string, unknown>>,
  settings: HubSettings = {},
  key?: string,
): Promise<UsersHub> {
  const hub = await startHubProcess({
    ...settings,
    config: {
      access: 'rules',
      identity: { tokens: [{ issuer: ISSUER, audience: 'polycast', keys: [{ algorithm: 'HS256', secret: SECRET }] }] },
      ...config,
    },
  });
  // A hub of a cluster whose start took seconds refuses credentials for a moment.
  await until('the hub hears of revocations', async () => {
    const { why } = (await call(`${hub.url}/readyz`)).json<{ readonly why?: string }>();
    return why !== 'cluster_silent';
  });
  const admin = key ?? (await firstKey(hub));
  const followers: Follower[] = [];
  const token = (user: string, claims?: Readonly<Record<string, unknown>>): string => signToken(SECRET, user, claims);
  return {
    process: hub,
    url: hub.url,
    key: admin,
    token,
    follow(transport, { user, ...options }) {
      const credentials = user === undefined ? {} : { token: token(user, { info: { name: user } }) };
      const follower = new Follower(hub.url, transport, { ...credentials, ...options });
      followers.push(follower);
      return follower;
    },
    request(method, path, body, { token: credential = admin, headers = {} } = {}) {
      return call(hub.url + path, {
        method,
        headers: {
          Authorization: `Bearer ${credential}`,
          ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      });
    },
    async end() {
      for (const follower of followers) await follower.stop();
      await hub.end('SIGKILL');
    },
  };
}
