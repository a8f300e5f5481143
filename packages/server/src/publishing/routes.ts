import type { Route } from '../auth/route.ts';
import { describePublish, describePublishData, describePublishToUser, describePublishToUsers } from './descriptions.ts';
import type { PublishParts } from './publish-parts.ts';
import { publishData, publishEvents } from './publish-routes.ts';
import { publishToUser, publishToUsers } from './user-publish-routes.ts';

/** The routes that publish. Each handler authorizes the channels that it uses. */
export function publishRoutes(parts: PublishParts): readonly Route[] {
  const publishing = { method: 'POST', requires: 'entry' } as const;
  return [
    {
      ...publishing,
      path: '/v1/events',
      description: () => describePublish(parts),
      handle: (request) => publishEvents(parts, request),
    },
    {
      ...publishing,
      path: '/v1/channels/:channel/events',
      otherwise: 'To read: GET /v1/events?channel={channel}&after=earliest, or GET /v1/channels/{channel}/history.',
      description: describePublishData,
      handle: (request) => publishData(parts, request, request.parameters['channel'] ?? ''),
    },
    {
      ...publishing,
      path: '/v1/users/:user/events',
      otherwise: READ_BY_USER,
      description: () => describePublishToUser(parts),
      handle: (request) => publishToUser(parts, request, request.parameters['user'] ?? ''),
    },
    {
      ...publishing,
      path: '/v1/users/events',
      otherwise: READ_BY_USER,
      description: () => describePublishToUsers(parts),
      handle: (request) => publishToUsers(parts, request),
    },
  ];
}

const READ_BY_USER = 'To read, with a token of the user: GET /v1/events?channel=@me&after=earliest.';
