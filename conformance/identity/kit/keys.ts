import { call } from '../../kit/http.ts';
import type { HubProcess } from '../../kit/hub-process.ts';
import { until } from '../../kit/wait.ts';

/** The line that `serve` prints when it starts without any key. */
export async function firstKey({ output }: HubProcess): Promise<string> {
  await until('it says the first key', () => /pck_\w+\s/.test(output()));
  return (/pck_\w+/.exec(output()) as RegExpExecArray)[0];
}

/** The text of the key. */
export async function createKey(
  hub: string,
  admin: string,
  name: string,
  scopes: object,
  more: object = {},
): Promise<string> {
  const { key } = await requestWithKey<{ key: string }>(hub, admin, 'POST', '/v1/keys', { name, scopes, ...more });
  return key;
}

/** The hub's answer, which must be a success. */
export async function requestWithKey<Value>(
  hub: string,
  key: string,
  method: string,
  path: string,
  body?: object,
): Promise<Value> {
  const reply = await call(`${hub}${path}`, {
    method,
    headers: { Authorization: `Bearer ${key}`, ...(body === undefined ? {} : { 'Content-Type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (reply.status >= 300) throw new Error(`${method} ${path}: ${reply.status} ${reply.text}`);
  return reply.text === '' ? (undefined as Value) : reply.json<Value>();
}
