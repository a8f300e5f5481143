import type { PolycastError } from '@polycast/protocol';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Actor } from '../core/ports.ts';
import type { Action, Principal, Scope } from '../core/access/principal.ts';
import { respondCreatedRaw } from '../http/sockets/raw-response.ts';
import { NO_STORE } from '../http/headers/cache-headers.ts';
import { addressKey } from '../core/primitives/address-key.ts';
import { clientAddress } from '../http/client-address.ts';
import { respondCompressed } from '../http/body/compress.ts';
import { sessionAddress } from '../streams/consumer.ts';
import { MemberReader, parseObject } from '../http/body/json-body.ts';
import { authorize, authorizeAnyChannel, checkScope, checkCredentials } from './permission.ts';
import { readBody } from '../http/body/request-body.ts';
import { headerValue, respond, respondEmpty, respondProblem } from '../http/respond.ts';
import type { Services } from '../http/services.ts';

/**
 * What a route asks of its caller. `nothing`: no credentials are looked at. `entry`: credentials that are not refused; the handler asks for
 * more. Else a scope for the whole hub.
 */
export type RequiredAccess = 'nothing' | 'entry' | Extract<Scope, 'subscriptions' | 'users' | 'admin'>;

/** Of bodies that are a small JSON object, in bytes. */
const OBJECT_BYTES_MAX = 64 * 1024;

/** What is the same for all requests of a route. */
export interface RouteContext {
  readonly services: Services;
  /** `POST /v1/keys/{id}`. */
  readonly route: string;
  readonly requires: RequiredAccess;
}

/**
 * A request whose caller is known and may make it. Credentials can end, and be revoked, while a handler waits: for a body, the log, the
 * site. So authority is decided in the turn of the effect, and no handler has to remember it: a body is only had from here, an
 * audited effect needs `actor`, and a read answers by `respond…`; each of these checks again.
 */
export class AuthorizedRequest {
  readonly parameters: Readonly<Record<string, string | undefined>>;
  readonly query: string;
  readonly principal: Principal;
  readonly #context: RouteContext;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  #client: string | undefined;

  constructor(
    place: RouteContext,
    request: IncomingMessage,
    response: ServerResponse,
    parameters: Readonly<Record<string, string | undefined>>,
    query: string,
    principal: Principal,
  ) {
    this.parameters = parameters;
    this.query = query;
    this.principal = principal;
    this.#context = place;
    this.#request = request;
    this.#response = response;
  }

  /** For transports that write their answer piece by piece; `scripts/tidy` lets nobody else use it. */
  static responseOf(authorized: AuthorizedRequest): ServerResponse {
    return authorized.#response;
  }

  get headers(): IncomingHttpHeaders {
    return this.#request.headers;
  }

  /** With its query. */
  get url(): string {
    return this.#request.url ?? '';
  }

  /** The client's address. */
  get address(): string {
    return clientAddress(this.#context.services, this.#request);
  }

  /** The same, where a session has to be told it. */
  get sessionAddress(): string | undefined {
    return sessionAddress(this.#context.services, this.#request);
  }

  get isEncrypted(): boolean {
    return 'encrypted' in this.#request.socket && this.#request.socket.encrypted === true;
  }

  /** Whose share of what clients may hold together this request takes; `undefined` for a server, which has none. */
  get quotaOwner(): string | undefined {
    const { kind, user } = this.principal;
    if (kind === 'server') return undefined;
    return (this.#client ??= user === undefined ? `address ${addressKey(this.address)}` : `user ${user}`);
  }

  /** The client has gone. */
  get isClosed(): boolean {
    return this.#response.destroyed;
  }

  /**
   * Whom the audit log names. To be read in the turn of the effect, as an argument of it: it checks.
   * @throws PolycastError `token_expired`, `unauthorized`, `forbidden`
   */
  get actor(): Actor {
    this.check();
    const { kind, key, user } = this.principal;
    return { kind, key, user, address: this.address };
  }

  header(name: string): string | undefined {
    return headerValue(this.#request, name);
  }

  /** Whether the caller still is who it was, and may still do this. @throws PolycastError `token_expired`, `unauthorized`, `forbidden` */
  check(): void {
    const requires = this.#context.requires;
    if (requires === 'nothing') return;
    checkCredentials(this.#context.services, this.principal);
    if (requires !== 'entry') checkScope(this.#context.services, this.principal, requires);
  }

  /**
   * Asks whether there is any channel for which the caller may do this: before a body is read that is to name one.
   * @throws AccessError
   */
  authorizeAnyChannel(action: Action): void {
    authorizeAnyChannel(this.#context.services, this.principal, action);
  }

  /** One of several items was refused, while the request goes on. */
  recordRefusal(error: PolycastError): void {
    const { address, principal } = this;
    this.#context.services.refusalLog.record(error, { route: this.#context.route, address, principal });
  }

  /** Asks for each pattern. @throws PolycastError `unauthorized`, `forbidden`, `identity_unavailable` */
  authorize(action: Action, patterns: readonly string[]): void | Promise<void> {
    const allowed = authorize(this.#context.services, this.principal, action, patterns);
    return allowed === undefined ? undefined : allowed.then(() => this.check());
  }

  /** The whole body; then the caller is checked again. @throws PolycastError what `readBody` throws, and what `check` throws */
  body(bytesMax: number = Infinity): Promise<Buffer> {
    return readBody(this.#request, this.#context.services, this, bytesMax);
  }

  /** The pieces of a body that is published while it comes; the caller is checked for each of its lines. */
  chunks(): AsyncIterable<Buffer> {
    return this.#request;
  }

  /**
   * A small JSON object; no body at all is an empty one.
   * @throws PolycastError `invalid_json`, `duplicate_member`, `invalid_body`, `body_too_large`, `unsupported_media_type`, …
   */
  async object(): Promise<Readonly<Record<string, unknown>>> {
    return parseObject(await this.body(OBJECT_BYTES_MAX), this.headers['content-type']);
  }

  /** The same, its members to be read one by one. */
  async members(): Promise<MemberReader> {
    return new MemberReader(await this.object());
  }

  /** Tells of the client's going, at once if it has gone; `offGone` ends that. */
  onClose(listener: () => void): void {
    if (this.isClosed) listener();
    else this.#response.on('close', listener);
  }

  offClose(listener: () => void): void {
    this.#response.off('close', listener);
  }

  /** Its connection is closed after the answer. */
  closeAfterResponse(): void {
    this.#response.shouldKeepAlive = false;
  }

  destroy(): void {
    this.#response.destroy();
  }

  respond(status: number, mediaType: string, text: string | Uint8Array, headers?: readonly string[]): void {
    this.#checkIfRead();
    respond(this.#response, status, mediaType, text, headers);
  }

  /** `201` with a small JSON text, of what has been done: it is told in any case. */
  respondCreated(text: string): void {
    const response = this.#response;
    if (this.#request.complete && respondCreatedRaw(this.#context.services, response, text)) return;
    respond(response, 201, 'application/json', text);
  }

  /** An answer that may hold what is nobody else's business, and that is true only now. */
  respondJson(status: number, value: unknown, headers: readonly string[] = []): void {
    this.respond(status, 'application/json', JSON.stringify(value), [...headers, ...NO_STORE]);
  }

  respondCompressed(pieces: readonly Uint8Array[], headers: readonly string[]): void {
    this.#checkIfRead();
    respondCompressed(this.#response, 200, 'application/json', pieces, headers);
  }

  /** For a refusal that has more to say than its document does; all others are thrown. */
  respondProblem(error: PolycastError, headers: readonly string[]): void {
    this.#checkIfRead();
    respondProblem(this.#response, error, headers);
  }

  respondEmpty(status: number, headers?: readonly string[]): void {
    this.#checkIfRead();
    respondEmpty(this.#response, status, headers);
  }

  /** Who only reads is checked when the answer leaves; of what has been done the answer is told in any case. */
  #checkIfRead(): void {
    const { method } = this.#request;
    if (method === 'GET' || method === 'HEAD') this.check();
  }
}
