// The hub with access rules, users with a signed token each, and a server's key; with or without
// presence.
import { createHmac } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freshFolder } from '../harness/folders.ts';
import type { LoadOptions } from '../harness/load.ts';
import { serverCore } from '../harness/processes.ts';
import { startHub, type RunningHub } from './polycast.ts';

export interface HubWithUsers extends RunningHub {
  /** The key has every permission. */
  readonly key: string;
  /** The tokens of `subscribers` users, or none, in the load generator's form. */
  readonly subscribeOptions: LoadOptions;
  readonly publishOptions: LoadOptions;
  token(user: string): string;
}

/** Signs the tokens of users. */
export const tokenSecret = 'a secret of thirty-two bytes or more';
const lifetimeSeconds = 86_400;

/** @param users the number of users; with 0 the readers are anonymous */
export async function startHubWithUsers(
  users: number,
  hasPresence: boolean,
  nodeArguments: readonly string[] = [],
): Promise<HubWithUsers> {
  const folder = freshFolder('hub');
  const settings = settingsOf(users > 0, hasPresence);
  const hub = await startHub(join(folder, 'data'), settings, serverCore, nodeArguments);
  const key = await keyOf(hub);
  const tokens = join(folder, 'tokens');
  writeFileSync(tokens, Array.from({ length: users }, (_each, index) => token(`user-${index}`)).join('\n'));
  const bearers = users === 0 ? {} : { subscriberTexts: tokens, subscribeHeader: 'Authorization: Bearer {t}' };
  return {
    ...hub,
    key,
    token,
    subscribeOptions: { subscribePath: '/v1/events?channel=bench.{c}', ...bearers },
    publishOptions: {
      publishPath: '/v1/channels/bench.{c}/events',
      publishHeader: ['Content-Type: application/json', `Authorization: Bearer ${key}`],
    },
  };
}

/** The first key, which the hub prints at its start. */
export async function keyOf({ process: { output } }: RunningHub): Promise<string> {
  for (let waitedMs = 0; waitedMs < keyTimeoutMs; waitedMs += 10) {
    const key = /pck_\w+(?=\s)/.exec(output())?.[0];
    if (key !== undefined) return key;
    await sleep(10);
  }
  throw new Error(`the hub has shown no key: ${output()}`);
}

const keyTimeoutMs = 5000;

function settingsOf(hasUsers: boolean, hasPresence: boolean): string[] {
  const audience = hasUsers ? ['users'] : ['anyone'];
  const rules = [
    { pattern: 'orders.{user}.>', subscribe: ['owner'] },
    { pattern: 'bench.>', subscribe: audience, ...(hasPresence ? { presence: audience } : {}) },
  ];
  const tokens = hasUsers ? [{ keys: [{ algorithm: 'HS256', secret: tokenSecret }] }] : [];
  return ['access=rules', `rules=${JSON.stringify(rules)}`, `identity.tokens=${JSON.stringify(tokens)}`];
}

/**
 * Claims as a site sets them: the user, a display name, an id, and a lifetime of an hour or a day.
 */
export function token(user: string): string {
  const iat = Math.floor(Date.now() / 1000);
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = { sub: user, iat, exp: iat + lifetimeSeconds, jti: `${user}-${iat}` };
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
  return `${signed}.${createHmac('sha256', tokenSecret).update(signed).digest('base64url')}`;
}
