import type { IncomingMessage, ServerResponse } from 'node:http';
import { PolycastError } from '@polycast/protocol';
import type { RequestHandler, UnauthorizedRoute } from '../http/route.ts';
import { StaticFiles } from '../platform/static-files.ts';

/**
 * The page of the portal, where a customer of the site manages their own webhooks. The page is the
 * same for everybody, and holds no data: it asks the API with the token of its link.
 * @param folder the folder of all built pages
 * @param frameOrigins origins whose pages may show it in a frame
 */
export function portalPage(folder: string, frameOrigins: readonly string[]): readonly UnauthorizedRoute[] {
  const files = new StaticFiles(folder);
  const policy = { 'content-security-policy': contentSecurityPolicy(frameOrigins) };
  const answer: RequestHandler = (request, response) => serve(files, policy, request, response);
  return [
    { method: 'GET', path: '/portal', answer: redirectToPage },
    { method: 'GET', path: '/portal/', answer },
    { method: 'GET', path: '/portal/*', answer },
  ];
}

async function serve(
  files: StaticFiles,
  policy: Readonly<Record<string, string>>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const [path = ''] = (request.url ?? '').split('?', 1);
  const isPage = path === '/portal/';
  if (await files.serve(request, response, isPage ? '/portal/index.html' : path, isPage ? policy : NO_HEADERS)) return;
  throw new PolycastError('not_found', isPage ? 'The portal has not been built: run `npm run build`.' : undefined);
}

/** A relative address: the hub may be below a path of another server. */
const redirectToPage: RequestHandler = (_request, response) => {
  response.writeHead(302, { Location: 'portal/', 'Content-Length': 0 }).end();
};

const NO_HEADERS: Readonly<Record<string, string>> = {};

/**
 * The hub's own files and API alone, no inline script or style, and frames of listed origins only.
 */
function contentSecurityPolicy(frameOrigins: readonly string[]): string {
  const ancestors = frameOrigins.length === 0 ? "'none'" : `'self' ${frameOrigins.join(' ')}`;
  return `default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors ${ancestors}`;
}
