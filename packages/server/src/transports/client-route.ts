import { PolycastError } from '@polycast/protocol';
import { readFile } from 'node:fs/promises';
import type { Route } from './http-transport.ts';
import { respond } from './respond.ts';

/** `GET /client.js`: the built SDK as one module, for a plain `<script type="module">`. Pages of any origin may load it. */
export function clientRoute(file: string): Route {
  return {
    method: 'GET',
    path: '/client.js',
    async handle(_request, response) {
      const script = await readFile(file).catch(() => undefined);
      if (script === undefined)
        throw new PolycastError('not_found', 'The client has not been built: run `npm run build`.');
      respond(response, 200, 'text/javascript; charset=utf-8', script, [
        'Cache-Control',
        'no-cache',
        'X-Content-Type-Options',
        'nosniff',
        'Cross-Origin-Resource-Policy',
        'cross-origin',
      ]);
    },
  };
}
