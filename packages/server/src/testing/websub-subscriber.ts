import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * A WebSub subscriber after the specification, for tests. It shares no code with the hub, and uses
 * only the wire.
 */
export class WebSubSubscriber {
  readonly #server: Server;
  /** All received requests, in order. */
  readonly verifications: Verification[] = [];
  readonly denials: Denial[] = [];
  readonly deliveries: Delivery[] = [];
  /** The topic, callback and secret of its own requests. It confirms and accepts nothing else. */
  readonly #requests: { mode: string; topic: string; path: string; secret: string | undefined }[] = [];
  /**
   * Its answer to a verification. Another function makes a subscriber that refuses, or that is
   * broken.
   */
  answer: (verification: Verification, response: ServerResponse) => void = (verification, response) => {
    // Section 5.3.1: it must not confirm a subscription that it did not request.
    const isOwn = this.#requests.some(
      ({ mode, topic, path }) =>
        mode === verification.mode && topic === verification.topic && verification.path.startsWith(path),
    );
    if (isOwn) response.end(verification.challenge);
    else response.writeHead(404).end();
  };
  /** Its answer to content. */
  receive: (delivery: Delivery, response: ServerResponse) => void = (_delivery, response) => {
    response.writeHead(202).end();
  };

  private constructor() {
    this.#server = createServer((request, response) => void this.#handle(request, response));
  }

  static async start(): Promise<WebSubSubscriber> {
    const subscriber = new WebSubSubscriber();
    await new Promise<void>((resolve) => subscriber.#server.listen(0, '127.0.0.1', resolve));
    return subscriber;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  callback(path = '/callback'): string {
    return `http://127.0.0.1:${this.port}${path}`;
  }

  close(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  /** Section 8: the content that it accepts. With a secret, only content that is signed with it. */
  get contents(): readonly string[] {
    const isAuthenticContent = (delivery: Delivery): boolean => {
      const request = this.#requests.findLast(({ mode, path }) => mode === 'subscribe' && path === delivery.path);
      return request !== undefined && (request.secret === undefined || isAuthentic(delivery, request.secret));
    };
    return this.deliveries.filter(isAuthenticContent).map(({ body }) => body.toString());
  }

  /** Section 4: the hub and the topic in the `Link` headers of the topic. */
  async discover(topic: string): Promise<{ readonly hub: string; readonly self: string }> {
    const response = await fetch(topic, { method: 'HEAD' });
    const links = linksOf(response.headers.get('link') ?? '');
    const [hub, self] = [links.get('hub'), links.get('self')];
    if (hub === undefined || self === undefined) throw new Error(`no hub or no self: ${response.headers.get('link')}`);
    return { hub: new URL(hub, topic).href, self: new URL(self, topic).href };
  }

  /** Section 5.1. Resolves with the status of the answer. */
  async ask(hub: string, parameters: Readonly<Record<string, string | undefined>>): Promise<number> {
    const form = new URLSearchParams();
    for (const [name, value] of Object.entries(parameters)) if (value !== undefined) form.append(`hub.${name}`, value);
    const { mode = '', topic = '', callback = this.callback(), secret } = parameters;
    if (URL.canParse(callback)) {
      const { pathname, search } = new URL(callback);
      this.#requests.push({ mode, topic, path: pathname + search, secret });
    }
    const response = await fetch(hub, { method: 'POST', body: form });
    await response.arrayBuffer();
    return response.status;
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '', 'http://localhost');
    const body: Buffer[] = [];
    for await (const piece of request) body.push(piece as Buffer);
    if (request.method === 'POST') {
      const { headers } = request;
      const delivery = {
        path: request.url ?? '',
        headers,
        body: Buffer.concat(body),
        links: linksOf(headers.link as string),
      };
      this.deliveries.push(delivery);
      return this.receive(delivery, response);
    }
    const parameter = (name: string): string | undefined => url.searchParams.get(`hub.${name}`) ?? undefined;
    if (parameter('mode') === 'denied') {
      this.denials.push({ path: request.url ?? '', topic: parameter('topic'), reason: parameter('reason') });
      response.end();
      return;
    }
    const verification = {
      path: request.url ?? '',
      method: request.method ?? '',
      mode: parameter('mode'),
      topic: parameter('topic'),
      challenge: parameter('challenge') ?? '',
      leaseSeconds: parameter('lease_seconds'),
      verifyToken: parameter('verify_token'),
    };
    this.verifications.push(verification);
    this.answer(verification, response);
  }
}

export interface Verification {
  readonly path: string;
  readonly method: string;
  readonly mode: string | undefined;
  readonly topic: string | undefined;
  readonly challenge: string;
  readonly leaseSeconds: string | undefined;
  readonly verifyToken: string | undefined;
}

export interface Denial {
  readonly path: string;
  readonly topic: string | undefined;
  readonly reason: string | undefined;
}

export interface Delivery {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
  /** The links, by relation. */
  readonly links: ReadonlyMap<string, string>;
}

/** Section 8: whether the signature of the content is valid. */
export function isAuthentic({ headers, body }: Delivery, secret: string): boolean {
  const [algorithm = '', hex = ''] = String(headers['x-hub-signature'] ?? '').split('=');
  if (!['sha1', 'sha256', 'sha384', 'sha512'].includes(algorithm)) return false;
  const expected = createHmac(algorithm, secret).update(body).digest();
  const given = Buffer.from(hex, 'hex');
  return given.length === expected.length && timingSafeEqual(given, expected);
}

/** Parses RFC 8288, as far as hubs use it. */
function linksOf(header: string | undefined): ReadonlyMap<string, string> {
  const links = new Map<string, string>();
  for (const [, target = '', parameters = ''] of (header ?? '').matchAll(/<([^>]*)>((?:\s*;\s*[^,;]+)*)/g)) {
    const relations = /rel\s*=\s*(?:"([^"]*)"|([^\s;,]+))/i.exec(parameters);
    for (const relation of (relations?.[1] ?? relations?.[2] ?? '').split(/\s+/)) links.set(relation, target);
  }
  return links;
}
