import type { Route } from '../auth/route.ts';
import type { RequestHandlers } from '../http/http-frontend.ts';
import { readChannel } from './channel-route.ts';
import { describeChannel, describeEvents, describeHistory, describePresence } from './descriptions.ts';
import { EventsQueryParser } from './events-query.ts';
import { readEvents } from './events-route.ts';
import { readPresence } from './presence-route.ts';
import { readHistory } from './history-route.ts';
import type { ReadParts, WebSocketParts } from './stream-parts.ts';
import { upgradeToWebSocket } from './websocket/upgrade.ts';

/** The parts of all transports. */
export interface StreamParts extends ReadParts, WebSocketParts {}

/** The handlers of everything that reads. Each authorizes the channels that it uses. */
export interface StreamHandlers extends Pick<RequestHandlers, 'readEvents' | 'upgrade'> {
  readonly routes: readonly Route[];
}

export function streamHandlers(parts: StreamParts): StreamHandlers {
  const queries = new EventsQueryParser(parts.settings);
  return {
    readEvents: (request, response, connection) => readEvents(parts, queries, request, response, connection),
    upgrade: (request, socket, head) => upgradeToWebSocket(parts, queries, request, socket, head),
    routes: [
      {
        method: 'GET',
        path: '/v1/events',
        description: () => describeEvents(parts.settings),
        answer: (request, response) => readEvents(parts, queries, request, response),
      },
      ...channelRoutes(parts),
    ],
  };
}

function channelRoutes(parts: ReadParts): readonly Route[] {
  const reading = { method: 'GET', requires: 'entry', acceptsQueryToken: true } as const;
  return [
    {
      ...reading,
      path: '/v1/channels/:channel',
      otherwise: 'To publish: POST /v1/channels/{channel}/events.',
      description: () => describeChannel(parts.settings),
      handle: (request) => readChannel(parts, request, request.parameters['channel'] ?? ''),
    },
    {
      ...reading,
      path: '/v1/channels/:channel/history',
      description: describeHistory,
      handle: (request) => readHistory(parts, request, request.parameters['channel'] ?? ''),
    },
    {
      ...reading,
      path: '/v1/channels/:channel/presence',
      description: describePresence,
      handle: (request) => readPresence(parts, request, request.parameters['channel'] ?? ''),
    },
  ];
}
