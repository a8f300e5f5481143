import type { IncomingMessage, ServerResponse } from 'node:http';
import { openApiDocument } from './api/openapi.ts';
import type { Metrics } from './metrics.ts';

export interface Health {
  /** Why it takes no work at present; `undefined` when it does. */
  readonly notReady: () => 'starting' | 'draining' | 'log_unavailable' | 'log_full' | undefined;
  readonly metrics: Metrics;
  readonly version: string;
}

interface OperateRoute {
  readonly method: 'GET';
  readonly path: string;
  readonly handle: (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;
}

/** The addresses for the people who run a hub (PROTOCOL.md section 12). */
export function healthRoutes({ notReady, metrics, version }: Health): readonly OperateRoute[] {
  const description = JSON.stringify(openApiDocument(version));
  return [
    {
      method: 'GET',
      path: '/healthz',
      handle: (_request, response) => answer(response, 200, 'application/json', '{"status":"ok"}'),
    },
    {
      method: 'GET',
      path: '/readyz',
      handle: (_request, response) => {
        const why = notReady();
        answer(
          response,
          why === undefined ? 200 : 503,
          'application/json',
          why === undefined ? '{"status":"ready"}' : JSON.stringify({ status: 'not ready', why }),
        );
      },
    },
    {
      method: 'GET',
      path: '/metrics',
      handle: async (_request, response) => answer(response, 200, metrics.contentType, await metrics.text()),
    },
    {
      method: 'GET',
      path: '/openapi.json',
      handle: (_request, response) => answer(response, 200, 'application/json', description),
    },
  ];
}

function answer(response: ServerResponse, status: number, mediaType: string, text: string): void {
  response.writeHead(status, {
    'Content-Type': mediaType,
    'Content-Length': Buffer.byteLength(text),
    'Cache-Control': 'no-store',
  });
  response.end(response.req.method === 'HEAD' ? undefined : text);
}
