import { json, response } from '../http/route-description.ts';
import type { Route } from '../auth/route.ts';
import { hubStatus, type CallerStatus, type HubStatus } from '../operate/hub-status.ts';

/** `GET /v1/status` (PROTOCOL.md section 12): the state, the load and the limits of the hub. */
export function statusRoute(read: (caller: CallerStatus) => Promise<HubStatus>): Route {
  return {
    method: 'GET',
    path: '/v1/status',
    requires: 'admin',
    description: () => ({
      operationId: 'readStatus',
      summary: 'Reads the state, the load and the limits of the hub.',
      section: '12',
      details:
        'Counts rise from the start of the hub: the difference of two answers is a rate. For a health check use `/readyz`, which needs no key.',
      responses: [response(200, 'The status.', json(hubStatus(), 'The status at this moment.'))],
    }),
    async handle(request) {
      const { address, headers, isEncrypted: encrypted } = request;
      const forwarded = headers['x-forwarded-for'] !== undefined || headers['forwarded'] !== undefined;
      request.respondJson(200, await read({ address, forwarded, encrypted }));
    },
  };
}
