import type { IncomingMessage, ServerResponse } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import { parseConfig } from '../../config/parse.ts';
import { routeName, type UnauthorizedRoute } from '../../http/route.ts';
import { openHub } from '../../hub.ts';
import { clusterHandlers } from './cluster-handlers.ts';

/** The names of those that a hub of a cluster refuses. */
async function refusedOf(routes: readonly Omit<UnauthorizedRoute, 'answer'>[]): Promise<readonly string[]> {
  const answered = (): Promise<void> => Promise.resolve();
  const handlers = {
    routes: routes.map((route): UnauthorizedRoute => ({ ...route, answer: answered })),
    readEvents: answered,
    upgrade: answered,
  };
  const wrapped = clusterHandlers(handlers, {}, { wrap: (answer) => answer }).routes;
  const request = { url: '/', headers: {} } as IncomingMessage;
  const refused: string[] = [];
  for (const route of wrapped)
    try {
      await route.answer(request, {} as ServerResponse, {}, '');
    } catch (error) {
      expect(error).toMatchObject({ code: 'not_in_cluster' });
      refused.push(routeName(route));
    }
  return refused;
}

test('a cluster has every route of a hub, and refuses one without a place', async () => {
  const hub = await openHub(
    parseConfig({ listen: '127.0.0.1:0', data: ':memory:', logging: { level: 'silent' }, console: { enabled: true } }),
  );
  onTestFinished(() => hub.close());
  const unplaced = { method: 'POST', path: '/v1/unplaced' } as const;
  expect(hub.routes.length).toBeGreaterThan(50);
  expect(await refusedOf([...hub.routes, unplaced])).toEqual(['POST /v1/unplaced']);
});
