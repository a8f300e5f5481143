import type { IncomingMessage, ServerResponse } from 'node:http';
import { openApiDocument } from './api/openapi.ts';
import type { Metrics } from './metrics.ts';

export interface Health {
  /** The reason why the hub takes no work; `undefined` when it does. */
  readonly notReadyReason: () => 'starting' | 'draining' | 'log_unavailable' | 'log_full' | undefined;
  /**
   * Problems that an operator should look at although the hub works: `log_damaged`,
   * `identity_incomplete`, `subscriptions_incomplete`.
   */
  readonly problems: () => readonly string[];
  readonly metrics: Metrics;
  readonly version: string;
}

interface OperateRoute {
  readonly method: 'GET';
  readonly path: string;
  readonly answer: (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;
}

/** The routes for operators (PROTOCOL.md section 12). */
export function healthRoutes({
  notReadyReason: notReady,
  problems,
  metrics,
  version,
}: Health): readonly OperateRoute[] {
  const description = JSON.stringify(openApiDocument(version));
  return [
    {
      method: 'GET',
      path: '/healthz',
      answer: (_request, response) => {
        const found = problems();
        const status = found.length === 0 ? { status: 'ok' } : { status: 'ok', problems: found };
        respond(response, 200, 'application/json', JSON.stringify(status));
      },
    },
    {
      method: 'GET',
      path: '/readyz',
      answer: (_request, response) => {
        const why = notReady();
        respond(
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
      answer: async (_request, response) => respond(response, 200, metrics.contentType, await metrics.text()),
    },
    {
      method: 'GET',
      path: '/openapi.json',
      answer: (_request, response) => respond(response, 200, 'application/json', description),
    },
  ];
}

function respond(response: ServerResponse, status: number, mediaType: string, text: string): void {
  response.writeHead(status, {
    'Content-Type': mediaType,
    'Content-Length': Buffer.byteLength(text),
    'Cache-Control': 'no-store',
  });
  response.end(response.req.method === 'HEAD' ? undefined : text);
}
