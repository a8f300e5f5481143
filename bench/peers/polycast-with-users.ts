// The hub with access rules, users who bring a signed token each, and a server's key; with presence
// or without.
import { createHmac } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freshFolder } from '../harness/folders.ts';
import type { LoadOptions } from '../harness/load.ts';
import { startHub, type RunningHub } from './polycast.ts';

export interface HubWithUsers extends RunningHub {
  /** Good for everything. */
  readonly key: string;
  /** In the load generator's terms: with `subscribers` tokens of as many users, or none. */
  readonly subscribeOptions: LoadOptions;
  readonly publishOptions: LoadOptions;
  token(user: string): string;
}

const secret = 'a secret of thirty-two bytes or more';
const lifetimeSeconds = 86_400;

/** @param users how many; 0: whoever reads is nobody known */
export async function startHubWithUsers(users: number, hasPresence: boolean): Promise<HubWithUsers> {
  const folder = freshFolder('hub');
  const hub = await startHub(join(folder, 'data'), settingsOf(users > 0, hasPresence));
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

/** The first key, which the hub shows once it listens. */
async function keyOf({ process: { output } }: RunningHub): Promise<string> {
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
  const tokens = hasUsers ? [{ keys: [{ algorithm: 'HS256', secret }] }] : [];
  return ['access=rules', `rules=${JSON.stringify(rules)}`, `identity.tokens=${JSON.stringify(tokens)}`];
}

/** As a site gives them out: the user, a name to show, its own id, and an hour or a day to live. */
function token(user: string): string {
  const iat = Math.floor(Date.now() / 1000);
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = { sub: user, iat, exp: iat + lifetimeSeconds, jti: `${user}-${iat}` };
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}
