import type { IncomingMessage, ServerResponse } from 'node:http';
import * as z from 'zod';
import { json, response, type RouteDescription } from '../http/route-description.ts';
import type { Metrics } from './metrics.ts';

const NOT_READY_REASONS = [
  'starting',
  'draining',
  'log_unavailable',
  'log_full',
  'cluster_unsafe',
  'cluster_silent',
  'cluster_upgrade_needed',
] as const;
type NotReadyReason = (typeof NOT_READY_REASONS)[number];

export interface Health {
  /** The reason why the hub takes no work; `undefined` when it does. */
  readonly notReadyReason: () => NotReadyReason | undefined;
  /**
   * Problems that an operator should look at although the hub works: `log_damaged`,
   * `identity_incomplete`, `subscriptions_incomplete`, `cluster_unsafe`, `cluster_silent`,
   * `cluster_view_differs`, `cluster_upgrade_needed`.
   */
  readonly problems: () => readonly string[];
  readonly metrics: Pick<Metrics, 'text' | 'contentType'>;
  readonly documents: { readonly openApi: () => object; readonly asyncApi: () => object };
}

interface OperateRoute {
  readonly method: 'GET';
  readonly path: string;
  readonly description: () => RouteDescription;
  readonly answer: (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;
}

/** The routes for operators (PROTOCOL.md section 12). */
export function healthRoutes({
  notReadyReason: notReady,
  problems,
  metrics,
  documents,
}: Health): readonly OperateRoute[] {
  return [
    {
      method: 'GET',
      path: '/healthz',
      description: () => ({
        ...describe('health', 'Reports whether the process works.'),
        responses: [
          response(200, 'The process works.', json(healthSchema, '`problems` that an operator should look at.')),
        ],
      }),
      answer: (_request, response) => {
        const found = problems();
        const status = found.length === 0 ? { status: 'ok' } : { status: 'ok', problems: found };
        send(response, 200, 'application/json', JSON.stringify(status));
      },
    },
    {
      method: 'GET',
      path: '/readyz',
      description: () => ({
        ...describe('ready', 'Reports whether the hub accepts work.'),
        details: '`503` while the hub starts, drains or cannot write its log. `why` is the reason.',
        responses: [
          response(200, 'The hub accepts work.', json(readySchema, 'Ready.')),
          response(503, 'The hub does not accept work.', json(notReadySchema, 'The reason.')),
        ],
      }),
      answer: (_request, response) => {
        const why = notReady();
        send(
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
      description: () => ({
        ...describe('metrics', 'Metrics for Prometheus.'),
        responses: [
          response(200, 'The metrics.', { mediaType: 'text/plain', schema: z.string(), doc: 'The metrics.' }),
        ],
      }),
      answer: async (_request, response) => send(response, 200, metrics.contentType, await metrics.text()),
    },
    ...documentRoutes(documents),
  ];
}

/** The API as OpenAPI and as AsyncAPI. */
function documentRoutes(documents: Health['documents']): readonly OperateRoute[] {
  // Each is made at the first request: a start has no need for it.
  let openApi: string | undefined;
  let asyncApi: string | undefined;
  return [
    {
      method: 'GET',
      path: '/openapi.json',
      description: () => ({
        ...describe('openApi', 'This description.'),
        responses: [response(200, 'An OpenAPI document.', json(documentSchema, 'The document.', { openapi: '3.1.0' }))],
      }),
      answer: (_request, response) =>
        send(response, 200, 'application/json', (openApi ??= JSON.stringify(documents.openApi()))),
    },
    {
      method: 'GET',
      path: '/asyncapi.json',
      description: () => ({
        ...describe('asyncApi', 'The messages of WebSockets, event streams and JSON lines.'),
        responses: [
          response(200, 'An AsyncAPI document.', json(documentSchema, 'The document.', { asyncapi: '3.0.0' })),
        ],
      }),
      answer: (_request, response) =>
        send(response, 200, 'application/json', (asyncApi ??= JSON.stringify(documents.asyncApi()))),
    },
  ];
}

function describe(operationId: string, summary: string): Pick<RouteDescription, 'operationId' | 'summary' | 'section'> {
  return { operationId, summary, section: '12' };
}

const healthSchema = z.object({
  status: z.literal('ok'),
  problems: z.array(z.string().meta({ examples: ['log_damaged'] })).optional(),
});
const readySchema = z.object({ status: z.literal('ready') });
const notReadySchema = z.object({
  status: z.literal('not ready'),
  why: z.enum(NOT_READY_REASONS),
});
const documentSchema = z.record(z.string(), z.unknown());

function send(response: ServerResponse, status: number, mediaType: string, text: string): void {
  response.writeHead(status, {
    'Content-Type': mediaType,
    'Content-Length': Buffer.byteLength(text),
    'Cache-Control': 'no-store',
  });
  response.end(response.req.method === 'HEAD' ? undefined : text);
}
