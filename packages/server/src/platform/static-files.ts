import type { IncomingMessage, ServerResponse } from 'node:http';
import { createHash } from 'node:crypto';
import { extname, join, resolve, sep } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
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

/** Smaller files gain nothing from compression. */
const COMPRESSED_BYTES_MIN = 1024;
/** Text compresses well; images are compressed already. */
const COMPRESSIBLE = /^(?:text\/|application\/json|image\/svg)/;

/** Vite adds a hash of the content to the names of files in this folder. */
const HASHED_FOLDER = '/assets/';

/** Serves the built pages below one folder. A path that leaves the folder is not found. */
export class StaticFiles {
  readonly #folder: string;
  /** The compressed bodies of files, by entity tag. */
  readonly #compressed = new Map<string, Promise<Buffer>>();

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
    const plain = await this.#read(path);
    if (plain === undefined) return false;
    const file = await this.#encode(plain, request.headers['accept-encoding']);
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
    response.setHeader('vary', 'Accept-Encoding');
    response.setHeader(
      'cache-control',
      path.includes(HASHED_FOLDER) ? 'public, max-age=31536000, immutable' : 'no-cache',
    );
    if (status === 200 && request.headers['if-none-match']?.includes(file.etag)) {
      response.writeHead(304).end();
      return true;
    }
    if (file !== plain) response.setHeader('content-encoding', 'gzip');
    response.writeHead(status, { 'content-type': file.type, 'content-length': file.body.length });
    response.end(request.method === 'HEAD' ? undefined : file.body);
    return true;
  }

  /** The file compressed, if the browser takes it so and the file gains from it. */
  async #encode(file: StaticFile, accepted = ''): Promise<StaticFile> {
    const { body, etag, type } = file;
    if (body.length < COMPRESSED_BYTES_MIN || !COMPRESSIBLE.test(type) || !acceptsGzip(accepted)) return file;
    let compressed = this.#compressed.get(etag);
    if (compressed === undefined) {
      if (this.#compressed.size >= COMPRESSED_FILES_MAX) this.#compressed.clear();
      this.#compressed.set(etag, (compressed = promisify(gzip)(body, { level: 9 })));
    }
    return { body: await compressed, type, etag: etag.replace(/"$/, '-gzip"') };
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

/** The pages of the hub have some hundred files. */
const COMPRESSED_FILES_MAX = 500;

/** Whether the header names gzip with a weight other than 0. */
function acceptsGzip(header: string): boolean {
  return header
    .split(',')
    .some((coding) => /^\s*gzip\s*(?:;\s*q=(?:1|0\.\d*[1-9]))?/i.test(coding) && !/q=0(?:\.0*)?\s*$/i.test(coding));
}
