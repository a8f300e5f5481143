import type { IncomingMessage, ServerResponse } from 'node:http';
import { PolycastError } from '@polycast/protocol';
import type { RequestHandler, UnauthorizedRoute } from '../http/route.ts';
import { StaticFiles } from '../platform/static-files.ts';

/**
 * The pages of the console: one page with its script and styles. They are the same for everybody
 * and hold no data; the page asks the API with the login of its visitor.
 * @param folder the folder of all built pages
 */
export function consolePages(folder: string): readonly UnauthorizedRoute[] {
  const files = new StaticFiles(folder);
  const answer: RequestHandler = (request, response) => serve(files, request, response);
  return [
    { method: 'GET', path: '/console', answer: redirectToPage },
    { method: 'GET', path: '/console/', answer },
    { method: 'GET', path: '/console/*', answer },
  ];
}

async function serve(files: StaticFiles, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [path = ''] = (request.url ?? '').split('?', 1);
  const isPage = path === '/console/';
  const headers = isPage ? { 'content-security-policy': contentSecurityPolicy(request.headers.host) } : NO_HEADERS;
  if (await files.serve(request, response, isPage ? '/console/index.html' : path, headers)) return;
  throw new PolycastError('not_found', isPage ? 'The console has not been built: run `npm run build`.' : undefined);
}

/** A relative address: the hub may be below a path of another server. */
const redirectToPage: RequestHandler = (_request, response) => {
  response.writeHead(302, { Location: 'console/', 'Content-Length': 0 }).end();
};

const NO_HEADERS: Readonly<Record<string, string>> = {};

/**
 * The page's policy: the hub's own files and API alone, no inline script or style, no frame. Some
 * browsers do not apply `'self'` to WebSockets, so the policy names the host.
 */
function contentSecurityPolicy(host = ''): string {
  const sockets = /^[\w.:[\]-]+$/.test(host) ? ` ws://${host} wss://${host}` : '';
  return `default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'${sockets}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
}
