import type { IncomingMessage, ServerResponse } from 'node:http';
import { PolycastError } from '@polycast/protocol';

/**
 * Refuses requests that do not come from a page of this machine. Otherwise another site could
 * restart the hub and wipe its log: by guessing the port, or by pointing its name at 127.0.0.1 (DNS
 * rebinding).
 */
export function assertOwnPage(request: IncomingMessage): void {
  const host = request.headers.host ?? '';
  if (!/^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/.test(host))
    throw new PolycastError('forbidden', 'The Lab accepts requests for loopback names only.');
  const { origin } = request.headers;
  if (origin !== undefined && origin !== `http://${host}`) throw new PolycastError('origin_not_allowed');
}

export function answerJson(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(JSON.stringify(value));
}

/** Answers with the problem document of PROTOCOL.md section 9. */
export function answerProblem(response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const { problem } = error instanceof PolycastError ? error : new PolycastError('internal_error');
  response.writeHead(problem.status, { 'content-type': 'application/problem+json', 'cache-control': 'no-store' });
  response.end(JSON.stringify(problem));
}
