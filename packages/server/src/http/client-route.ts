import { PolycastError } from '@polycast/protocol';
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { brotliCompress, gzip } from 'node:zlib';
import { REVALIDATE, entityTag, entityTagHeader, addVary } from './headers/cache-headers.ts';
import { acceptedEncoding, COMPRESS_BYTES_MIN } from './body/compress.ts';
import { includesTag } from './headers/conditional-headers.ts';
import type { UnauthorizedRoute } from './route.ts';
import { respond, respondEmpty } from './respond.ts';

/** The built SDK and its optional modules. */
const MODULES = ['client.js', 'client/presence.js', 'client/tabs.js', 'client/outbox.js'];

/**
 * `GET /client.js` and its modules for a plain `<script type="module">`. Pages of any origin may
 * load them.
 * @param find finds the built module of this name
 */
export function clientRoutes(find: (name: string) => Promise<BuiltFile | undefined>): readonly UnauthorizedRoute[] {
  return MODULES.map((name) => clientRoute(`/${name}`, new BuiltScript(() => find(name))));
}

/** A built file. Another `version` means another content. */
interface BuiltFile {
  readonly version: string;
  read(): Promise<Buffer>;
}

function clientRoute(path: string, script: BuiltScript): UnauthorizedRoute {
  return {
    method: 'GET',
    path,
    isPublic: true,
    async answer(request, response) {
      const encodings = await script.read();
      if (encodings === undefined)
        throw new PolycastError('not_found', 'The client has not been built: run `npm run build`.');
      const encoding = acceptedEncoding(request.headers['accept-encoding']);
      const { bytes, tag, isEncoded } = encoding === undefined ? encodings.identity : encodings[encoding];
      const headers = [...addVary(REVALIDATE, 'Accept-Encoding'), ...entityTagHeader(tag)];
      headers.push('Cross-Origin-Resource-Policy', 'cross-origin');
      if (includesTag(request.headers['if-none-match'], tag)) return respondEmpty(response, 304, headers);
      if (isEncoded) headers.push('Content-Encoding', encoding as string);
      respond(response, 200, 'text/javascript; charset=utf-8', bytes, headers);
    },
  };
}

/** A script in one content coding. */
interface EncodedScript {
  readonly bytes: Buffer;
  readonly tag: string;
  readonly isEncoded: boolean;
}

type EncodedScripts = Readonly<Record<'identity' | 'br' | 'gzip', EncodedScript>>;

/** A built file. It is compressed once for all requests, and again after a new build. */
class BuiltScript {
  readonly #find: () => Promise<BuiltFile | undefined>;
  #version = '';
  #encodings: Promise<EncodedScripts> | undefined;

  constructor(find: () => Promise<BuiltFile | undefined>) {
    this.#find = find;
  }

  /** `undefined` when the file has not been built. */
  async read(): Promise<EncodedScripts | undefined> {
    const found = await this.#find();
    if (found === undefined) return undefined;
    if (found.version !== this.#version) {
      this.#version = found.version;
      this.#encodings = encodeScript(found);
    }
    return this.#encodings?.catch(() => {
      this.#version = '';
      return undefined;
    });
  }
}

async function encodeScript(file: BuiltFile): Promise<EncodedScripts> {
  const bytes = await file.read();
  const hash = createHash('sha256').update(bytes).digest('base64url').slice(0, 22);
  const identity = { bytes, tag: entityTag(hash, true), isEncoded: false };
  if (bytes.length < COMPRESS_BYTES_MIN) return { identity, br: identity, gzip: identity };
  const [brotli, gzipped] = await Promise.all([promisify(brotliCompress)(bytes), promisify(gzip)(bytes, { level: 9 })]);
  return {
    identity,
    // Each coding is another representation and has its own strong tag (RFC 9110 section 8.8.3.3).
    br: { bytes: brotli, tag: entityTag(`${hash}-br`, true), isEncoded: true },
    gzip: { bytes: gzipped, tag: entityTag(`${hash}-gzip`, true), isEncoded: true },
  };
}
