import type { IncomingMessage, ServerResponse } from 'node:http';
import { extname } from 'node:path';
import { StaticFiles } from '../platform/static-files.ts';
import { answerProblem } from './answers.ts';

/**
 * The policy of the documentation's pages: the hub's own files alone. The build moves scripts and
 * styles of the pages into files.
 */
const PAGE_HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
};

const NOT_BUILT = `<!doctype html>
<html lang="en">
<meta name="viewport" content="width=device-width">
<title>Polycast: the documentation has not been built</title>
<h1>The documentation has not been built</h1>
<p>Build it once in the checkout, and reload this page:</p>
<pre>npm ci && npm run build</pre>
<p>The same pages are Markdown files in the folder <code>docs/</code>.</p>
`;

/**
 * The handler of `/docs` and of the paths below it. `/docs/guides/keys` is the file
 * `guides/keys.html`, and `/docs/guides/keys.md` the same page as Markdown.
 * @param folder the built site
 */
export function documentation(folder: string): (request: IncomingMessage, response: ServerResponse) => void {
  const files = new StaticFiles(folder);
  return (request, response) => {
    const [path = ''] = (request.url ?? '').split('?', 1);
    if (path === '/docs') {
      response.writeHead(302, { Location: '/docs/', 'Content-Length': 0 }).end();
      return;
    }
    serve(files, request, response, path.slice('/docs'.length)).catch((error: unknown) =>
      answerProblem(response, error),
    );
  };
}

async function serve(
  files: StaticFiles,
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
): Promise<void> {
  const file = path.endsWith('/') ? `${path}index.html` : extname(path) === '' ? `${path}.html` : path;
  if (await files.serve(request, response, file, PAGE_HEADERS)) return;
  if (await files.serve(request, response, '/404.html', PAGE_HEADERS, 404)) return;
  response.writeHead(404, { 'content-type': 'text/html; charset=utf-8', ...PAGE_HEADERS });
  response.end(request.method === 'HEAD' ? undefined : NOT_BUILT);
}
