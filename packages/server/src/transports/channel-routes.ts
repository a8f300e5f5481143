import { readChannel, readHistory } from './channels-route.ts';
import { readPresence } from './presence-route.ts';
import { publishData, publishEvents } from './publish-route.ts';
import type { Route } from './route.ts';
import type { Services } from './services.ts';
import { publishToUser, publishToUsers } from './users-publish.ts';

/** What is published to channels and read from them, streams and polls apart. Each handler asks for the channels that it is about. */
export function channelRoutes(services: Services): readonly Route[] {
  const reading = { method: 'GET', asks: 'entry', takesQueryToken: true } as const;
  const publishing = { method: 'POST', asks: 'entry' } as const;
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
