import { expect, test } from 'vitest';
import { openEndpoint, openSubscriptionHub, type SubscriptionHub } from '../../../testing/subscription-hub.ts';

async function withHook(): Promise<{ hub: SubscriptionHub; url: string; hooks: () => Promise<unknown> }> {
  const hub = await openSubscriptionHub();
  const { url } = await openEndpoint();
  const made = await hub.ask('POST', '/v1/hooks', { target_url: url, event: 'news' });
  expect(made.status).toBe(201);
  const hooks = async (): Promise<unknown> => (await hub.ask('GET', '/v1/hooks')).body['hooks'];
  return { hub, url, hooks };
}

test.each<[body: unknown, code: string, member?: string]>([
  [undefined, 'invalid_body', 'target_url'],
  [{}, 'invalid_body', 'target_url'],
  [{ event: 'news' }, 'invalid_body', 'target_url'],
  [{ target_url: 1 }, 'invalid_body', 'target_url'],
  [{ target_url: null }, 'invalid_body', 'target_url'],
  [{ target_url: '' }, 'invalid_body', 'target_url'],
  [{ target_url: ['http://127.0.0.1:9/'] }, 'invalid_body', 'target_url'],
  [{ target_url: `http://127.0.0.1:9/${'x'.repeat(2048)}` }, 'invalid_body', 'target_url'],
  [{ target_url: 'http://127.0.0.1:9/\r\n' }, 'invalid_body', 'target_url'],
  [{ target_url: 'http://127.0.0.1:9/', event: 1 }, 'invalid_body', 'event'],
  [{ target_url: 'http://127.0.0.1:9/', event: 'no channel' }, 'invalid_body', 'event'],
  [{ target_url: 'http://127.0.0.1:9/', event: [] }, 'invalid_body', 'event'],
  [{ target_url: 'no url' }, 'not_found'],
  [{ target_url: 'http://127.0.0.1:9/' }, 'not_found'],
  ['{', 'invalid_json'],
  ['[]', 'invalid_body'],
])('to delete hooks by %j is refused, and they remain', async (body, code, member) => {
  const { hub, url, hooks } = await withHook();
  const refused = await hub.ask('DELETE', '/v1/hooks', body);
  expect([refused.status, refused.body['code'], refused.body['member']]).toEqual([
    code === 'not_found' ? 404 : 400,
    code,
    member,
  ]);
  expect(await hooks()).toMatchObject([{ target_url: url, state: 'active' }]);
});

test.each([
  ['?x=1', 400, 'invalid_body'],
  ['?target_url=', 400, 'invalid_body'],
  ['?target_url=no%20url', 404, 'not_found'],
  ['?target_url=%ff', 400, 'invalid_parameter'],
  ['?target_url=URL&event=', 400, 'invalid_body'],
  ['?target_url=URL&event=other', 404, 'not_found'],
  ['?target_url=http%3A%2F%2F127.0.0.1%3A9%2F&target_url=URL', 400, 'invalid_parameter'],
])('to delete hooks by %s is refused, and they remain', async (query, status, code) => {
  const { hub, url, hooks } = await withHook();
  const refused = await hub.ask('DELETE', `/v1/hooks${query.replace('URL', encodeURIComponent(url))}`);
  expect([refused.status, refused.body['code']]).toEqual([status, code]);
  expect(await hooks()).toMatchObject([{ target_url: url, state: 'active' }]);
});

test.each<[name: string, body: string, mediaType: string, status: number, code: string]>([
  ['nothing', '', 'application/json', 400, 'invalid_body'],
  ['no JSON', '{', 'application/json', 400, 'invalid_json'],
  ['two of them', '{}{}', 'application/json', 400, 'invalid_json'],
  ['no object', '"http://127.0.0.1:9/"', 'application/json', 400, 'invalid_body'],
  ['text', '{"target_url":"http://127.0.0.1:9/","event":"a"}', 'text/plain', 415, 'unsupported_media_type'],
  [
    'a form',
    'target_url=http://127.0.0.1:9/&event=a',
    'application/x-www-form-urlencoded',
    415,
    'unsupported_media_type',
  ],
  ['too much', `{"target_url":"${'x'.repeat(70_000)}"}`, 'application/json', 413, 'body_too_large'],
])('to create a hook with %s is refused, and nothing is stored', async (_name, body, type, status, code) => {
  const hub = await openSubscriptionHub();
  const refused = await hub.ask('POST', '/v1/hooks', body, { 'content-type': type });
  expect([refused.status, refused.body['code']]).toEqual([status, code]);
  expect((await hub.ask('GET', '/v1/subscriptions')).body['subscriptions']).toEqual([]);
});

test('an unknown hook is neither read nor deleted', async () => {
  const { hub, hooks } = await withHook();
  for (const method of ['GET', 'DELETE'])
    for (const id of ['sub_0000000000000000', 'x', '__proto__']) {
      const missing = await hub.ask(method, `/v1/hooks/${id}`);
      expect([method, missing.status, missing.body['code']]).toEqual([method, 404, 'not_found']);
    }
  expect(await hooks()).toHaveLength(1);
});
