import type { IncomingMessage, ServerResponse } from 'node:http';
import { createHash } from 'node:crypto';
import { extname, join, resolve, sep } from 'node:path';
import { findAsset } from './package-files.ts';

/** A file of the built pages, read into memory as a whole: the files are few and small. */
interface StaticFile {
  readonly body: Buffer;
  readonly etag: string;
  readonly type: string;
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.json': 'application/json',
  '.yaml': 'application/yaml; charset=utf-8',
  '.md': 'text/markdown; charset=utf-8',
  '.txt': 'text/plain; charset=utf-8',
};

/** Vite adds a hash of the content to the names of files in this folder. */
const HASHED_FOLDER = '/assets/';

/** Serves the built pages below one folder. A path that leaves the folder is not found. */
export class StaticFiles {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = resolve(folder);
  }

  /**
   * Answers with the file at `path` (`/lab/index.html`), or with `304`. Returns false when the file
   * does not exist.
   */
  async serve(
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    headers: Readonly<Record<string, string>>,
    status = 200,
  ): Promise<boolean> {
    const file = await this.#read(path);
    if (file === undefined) return false;
    response.setHeaders(
      // Not `Headers`: the class loads the engine's own HTTP client, some 10 MB.
      new Map([
        ...Object.entries(headers),
        ['x-content-type-options', 'nosniff'],
        ['referrer-policy', 'no-referrer'],
        ['cross-origin-opener-policy', 'same-origin'],
      ]),
    );
    response.setHeader('etag', file.etag);
    response.setHeader(
      'cache-control',
      path.includes(HASHED_FOLDER) ? 'public, max-age=31536000, immutable' : 'no-cache',
    );
    if (status === 200 && request.headers['if-none-match']?.includes(file.etag)) {
      response.writeHead(304).end();
      return true;
    }
    response.writeHead(status, { 'content-type': file.type, 'content-length': file.body.length });
    response.end(request.method === 'HEAD' ? undefined : file.body);
    return true;
  }

  async #read(path: string): Promise<StaticFile | undefined> {
    const type = TYPES[extname(path)];
    const absolute = resolve(join(this.#folder, path));
    if (type === undefined || path.includes('\0') || !absolute.startsWith(this.#folder + sep)) return undefined;
    const body = await (await findAsset(absolute))?.read();
    if (body === undefined) return undefined;
    return { body, type, etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"` };
  }
}
