import * as z from 'zod';
import type { Route } from '../auth/route.ts';
import { json, response } from '../http/route-description.ts';
import { anyValue, named, text } from '../http/openapi/schemas.ts';
import { hubInCluster, type HubInCluster } from '../operate/hub-status.ts';

/**
 * `GET /v1/configuration` (PROTOCOL.md section 13.1): the configuration in force, without secrets.
 */
export function configurationRoute(read: () => readonly object[], place: () => HubInCluster | undefined): Route {
  return {
    method: 'GET',
    path: '/v1/configuration',
    requires: 'admin',
    description: () => ({
      operationId: 'readConfiguration',
      summary: 'Reads the configuration in force, with the origin of each value.',
      section: '13.1',
      details: 'Secrets are not shown. A field that a reload cannot change has its value of the start.',
      responses: [response(200, 'All fields.', json(configurationSchema(), 'In the order of the reference.'))],
    }),
    handle(request) {
      const cluster = place();
      request.respondJson(200, { fields: read(), ...(cluster && { cluster }) });
    },
  };
}

const configurationSchema = named('Configuration', () =>
  z.object({
    fields: z.array(
      z.object({
        path: text({ examples: ['delivery.heartbeatMs'] }),
        value: anyValue({ description: 'The value in force.', examples: [15_000] }),
        default: anyValue({ examples: [15_000] }),
        origin: text({ examples: ['polycast.yaml'] })
          .nullable()
          .describe('Where the value was set; null for the default and for a preset of `polycast dev`.'),
        environment: text({ examples: ['POLYCAST_DELIVERY_HEARTBEAT_MS'] }),
        form: text({ examples: ['whole number of milliseconds, 1,000 to 600,000'] }),
        doc: text({ examples: ['The interval of heartbeats.'] }),
        why: text({ examples: ['The reason for the default.'] }),
        live: z.boolean().describe('Whether a reload applies a new value.'),
      }),
    ),
    cluster: hubInCluster().optional(),
  }),
);
