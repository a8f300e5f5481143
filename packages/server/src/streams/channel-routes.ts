import { readChannel, readHistory } from './channel-route.ts';
import { readPresence } from './presence-route.ts';
import { publishData, publishEvents } from '../publishing/publish-routes.ts';
import type { Route } from '../http/route.ts';
import type { Services } from '../http/services.ts';
import { publishToUser, publishToUsers } from '../publishing/user-publish-routes.ts';

/**
 * The routes that publish to channels and read from them, except streams and polls. Each handler
 * authorizes the channels that it uses.
 */
export function channelRoutes(services: Services): readonly Route[] {
  const reading = { method: 'GET', requires: 'entry', acceptsQueryToken: true } as const;
  const publishing = { method: 'POST', requires: 'entry' } as const;
  return [
    { ...publishing, path: '/v1/events', handle: (request) => publishEvents(services, request) },
    {
      ...publishing,
      path: '/v1/channels/:channel/events',
      handle: (request) => publishData(services, request, request.parameters['channel'] ?? ''),
    },
    {
      ...reading,
      path: '/v1/channels/:channel',
      handle: (request) => readChannel(services, request, request.parameters['channel'] ?? ''),
    },
    {
      ...reading,
      path: '/v1/channels/:channel/history',
      handle: (request) => readHistory(services, request, request.parameters['channel'] ?? ''),
    },
    {
      ...reading,
      path: '/v1/channels/:channel/presence',
      handle: (request) => readPresence(services, request, request.parameters['channel'] ?? ''),
    },
    {
      ...publishing,
      path: '/v1/users/:user/events',
      handle: (request) => publishToUser(services, request, request.parameters['user'] ?? ''),
    },
    { ...publishing, path: '/v1/users/events', handle: (request) => publishToUsers(services, request) },
  ];
}
