import { createHmac, randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { PolycastError } from '@polycast/protocol';
import { PEOPLE, type Login, type Person } from './records.ts';

/** The channel of the Lab's public news and of its presence. */
export const TOWN_CHANNEL = 'lab.town';

const ISSUER = 'polycast-lab';
/** Short enough to watch the renewal of a token. */
const LIFE_SECONDS = 120;
const BODY_BYTES_MAX = 1024;

/**
 * The login of the Lab's demonstration site. It checks no password: anyone who claims to be Ada
 * receives Ada's token. It creates its signing key with the process, and the hub trusts that key.
 */
export class LabLogin {
  readonly #secret: string = randomBytes(32).toString('base64url');

  /** The entry of the hub's configuration that makes it trust these tokens. */
  get issuer(): LabIssuer {
    return {
      issuer: ISSUER,
      userClaim: 'sub',
      leewaySeconds: 0,
      lifetimeMaxSeconds: LIFE_SECONDS,
      keys: [{ algorithm: 'HS256', secret: this.#secret }],
    };
  }

  /**
   * Answers `{"user": …}` with a token.
   * @throws PolycastError `invalid_json`, `body_too_large`, `forbidden`
   */
  async login(request: IncomingMessage, nowMs: number): Promise<Login> {
    const { user } = await bodyOf(request);
    const person = PEOPLE.find(({ name }) => name === user);
    if (person === undefined) throw new PolycastError('forbidden', 'The Lab knows only Ada and Bo.');
    return { token: this.#sign(person, Math.floor(nowMs / 1000)), lifeSeconds: LIFE_SECONDS };
  }

  /** Signs a token in the compact form (RFC 7515, section 7.1). */
  #sign({ name, title }: Person, nowSeconds: number): string {
    const header = { alg: 'HS256', typ: 'JWT' };
    const claims = {
      iss: ISSUER,
      sub: name,
      iat: nowSeconds,
      exp: nowSeconds + LIFE_SECONDS,
      info: { name: title },
    };
    const signed = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
    return `${signed}.${createHmac('sha256', this.#secret).update(signed).digest('base64url')}`;
  }
}

/** An entry of `identity.tokens`. */
export interface LabIssuer {
  readonly issuer: string;
  readonly userClaim: string;
  readonly leewaySeconds: number;
  readonly lifetimeMaxSeconds: number;
  readonly keys: readonly { readonly algorithm: 'HS256'; readonly secret: string }[];
}

async function bodyOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  let text = '';
  for await (const piece of request.setEncoding('utf8')) {
    text += piece as string;
    if (text.length > BODY_BYTES_MAX) throw new PolycastError('body_too_large');
  }
  try {
    return Object(JSON.parse(text)) as Record<string, unknown>;
  } catch {
    throw new PolycastError('invalid_json');
  }
}
