import { PolycastError } from '@polycast/protocol';
import { readFile } from 'node:fs/promises';
import type { Route } from './http-transport.ts';
import { respond } from './respond.ts';

/** The built SDK, and what a page loads beside it where it needs that. */
const MODULES = ['client.js', 'client/presence.js', 'client/tabs.js'];

/**
 * `GET /client.js` and its companions: modules for a plain `<script type="module">`. Pages of any origin may load them.
 * @param fileOf where the built module of this name is
 */
export function clientRoutes(fileOf: (name: string) => string): readonly Route[] {
  return MODULES.map((name) => clientRoute(`/${name}`, fileOf(name)));
}

function clientRoute(path: string, file: string): Route {
  return {
    method: 'GET',
    path,
    async handle(_request, response) {
      const script = await readFile(file).catch(() => undefined);
      if (script === undefined)
        throw new PolycastError('not_found', 'The client has not been built: run `npm run build`.');
      respond(response, 200, 'text/javascript; charset=utf-8', script, [
        'Cache-Control',
        'no-cache',
        'Cross-Origin-Resource-Policy',
        'cross-origin',
      ]);
    },
  };
}
