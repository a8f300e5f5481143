import type { PolycastError } from '@polycast/protocol';
import type * as z from 'zod';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Actor } from '../core/audit.ts';
import type { Action, Principal, Scope } from '../core/access/principal.ts';
import { closeAfter } from '../http/sockets/closing-connections.ts';
import { respondCreatedRaw } from '../http/sockets/raw-response.ts';
import { NO_STORE } from '../http/headers/cache-headers.ts';
import { addressKey } from '../core/primitives/address-key.ts';
import { clientAddress } from '../http/client-address.ts';
import { respondCompressed } from '../http/body/compress.ts';
import { parseBody } from '../http/body/body-schema.ts';
import { parseObject } from '../http/body/json-body.ts';
import { authorize, authorizeAnyChannel, checkScope, checkCredentials } from './permission.ts';
import type { AuthParts } from './auth-parts.ts';
import { sessionAddress } from './connection-quota.ts';
import { readBody, type BodyParts } from '../http/body/request-body.ts';
import { headerValue } from '../http/headers/header-value.ts';
import { respond, respondEmpty, respondProblem } from '../http/respond.ts';

/**
 * The access that a route requires. `nothing`: the credentials are not read. `entry`: the
 * credentials must not be refused, and the handler authorizes the rest. Any other value is a scope
 * for the whole hub.
 */
export type RequiredAccess = 'nothing' | 'entry' | Extract<Scope, 'subscriptions' | 'users' | 'admin'>;

/** The bound of bodies that are a small JSON object, in bytes. */
const OBJECT_BYTES_MAX = 64 * 1024;

/** The parts that every request uses. */
export interface RequestParts {
  readonly auth: AuthParts;
  readonly body: BodyParts;
}

/** The data that all requests of a route share. */
export interface RouteContext {
  readonly parts: RequestParts;
  /** `POST /v1/keys/{id}`. */
  readonly route: string;
  readonly requires: RequiredAccess;
}

/**
 * A request with an identified caller that may make it. Credentials can expire or be revoked while
 * a handler waits for a body, the log or the site. So this class checks them again in the turn of
 * the effect. Handlers get a body only from here, need `actor` for an audited effect, and answer a
 * read with `respond…`. Each of these checks.
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

  /** The response, for transports that write it in pieces; `scripts/tidy` refuses other uses. */
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
    return clientAddress(this.#context.parts.auth, this.#request);
  }

  /** The client's address, if a session has to store it. */
  get sessionAddress(): string | undefined {
    return sessionAddress(this.#context.parts.auth, this.#request);
  }

  get isEncrypted(): boolean {
    return 'encrypted' in this.#request.socket && this.#request.socket.encrypted === true;
  }

  /**
   * The client that this request's held bytes count against: a user or an address. `undefined` for
   * a server, which has no quota.
   */
  get quotaOwner(): string | undefined {
    const { kind, user, portal } = this.principal;
    if (portal !== undefined) return (this.#client ??= `portal ${portal.owner}`);
    if (kind === 'server') return undefined;
    return (this.#client ??= user === undefined ? `address ${addressKey(this.address)}` : `user ${user}`);
  }

  /** The client has disconnected. */
  get isClosed(): boolean {
    return this.#response.destroyed;
  }

  /**
   * The caller, for the audit log. Read it in the turn of the effect, as an argument of it: it
   * checks the caller.
   * @throws PolycastError `token_expired`, `unauthorized`, `forbidden`
   */
  get actor(): Actor {
    this.check();
    const { kind, key, user, portal } = this.principal;
    const actor = { kind, key, user, address: this.address };
    return portal === undefined ? actor : { ...actor, owner: portal.owner };
  }

  header(name: string): string | undefined {
    return headerValue(this.#request, name);
  }

  /**
   * Checks that the credentials are still valid and still have the required scope.
   * @throws PolycastError `token_expired`, `unauthorized`, `forbidden`
   */
  check(): void {
    const requires = this.#context.requires;
    if (requires === 'nothing') return;
    checkCredentials(this.#context.parts.auth, this.principal);
    if (requires !== 'entry') checkScope(this.#context.parts.auth, this.principal, requires);
  }

  /**
   * Checks whether the caller may do this on any channel, before it reads a body that names the
   * channel.
   * @throws AccessError
   */
  authorizeAnyChannel(action: Action): void {
    authorizeAnyChannel(this.#context.parts.auth, this.principal, action);
  }

  /** Records the refusal of one item; the request continues. */
  recordRefusal(error: PolycastError): void {
    const { address, principal } = this;
    this.#context.parts.auth.refusalLog.record(error, { route: this.#context.route, address, principal });
  }

  /**
   * Authorizes each pattern.
   * @throws PolycastError `unauthorized`, `forbidden`, `identity_unavailable`
   */
  authorize(action: Action, patterns: readonly string[]): void | Promise<void> {
    const allowed = authorize(this.#context.parts.auth, this.principal, action, patterns);
    return allowed === undefined ? undefined : allowed.then(() => this.check());
  }

  /**
   * Reads the whole body, then checks the caller again.
   * @throws PolycastError the errors of `readBody` and `check`
   */
  body(bytesMax: number = Infinity): Promise<Buffer> {
    return readBody(this.#request, this.#context.parts.body, this, bytesMax);
  }

  /**
   * The pieces of a body that is published while it arrives. The publisher checks the caller for
   * each line.
   */
  chunks(): AsyncIterable<Buffer> {
    return this.#request;
  }

  /**
   * The body as a small JSON object; an empty body is an empty object.
   * @throws PolycastError `invalid_json`, `duplicate_member`, `invalid_body`, `body_too_large`,
   * `unsupported_media_type`, …
   */
  async object(): Promise<Readonly<Record<string, unknown>>> {
    return parseObject(await this.body(OBJECT_BYTES_MAX), this.headers['content-type']);
  }

  /** The body as a JSON object of this form; an empty body is an empty object. */
  async parse<Schema extends z.core.$ZodType>(schema: Schema): Promise<z.output<Schema>> {
    return parseBody(schema, await this.object());
  }

  /**
   * Calls the listener when the client disconnects, or immediately if it already has; `offClose`
   * removes it.
   */
  onClose(listener: () => void): void {
    if (this.isClosed) listener();
    else this.#response.on('close', listener);
  }

  offClose(listener: () => void): void {
    this.#response.off('close', listener);
  }

  /** Closes the connection after the response. */
  closeAfterResponse(): void {
    closeAfter(this.#response);
  }

  destroy(): void {
    this.#response.destroy();
  }

  respond(status: number, mediaType: string, text: string | Uint8Array, headers?: readonly string[]): void {
    this.#checkIfRead();
    respond(this.#response, status, mediaType, text, headers);
  }

  /**
   * Sends `201` with a small JSON text. The effect is done, so the response is sent without a
   * check.
   */
  respondCreated(text: string): void {
    const response = this.#response;
    if (this.#request.complete && respondCreatedRaw(this.#context.parts.auth, response, text)) return;
    respond(response, 201, 'application/json', text);
  }

  /** Sends JSON that no cache may store, because it may be private and is true only now. */
  respondJson(status: number, value: unknown, headers: readonly string[] = []): void {
    this.respond(status, 'application/json', JSON.stringify(value), [...headers, ...NO_STORE]);
  }

  respondCompressed(pieces: readonly Uint8Array[], headers: readonly string[]): void {
    this.#checkIfRead();
    respondCompressed(this.#response, 200, 'application/json', pieces, headers);
  }

  /** Sends a refusal with extra headers; other refusals are thrown. */
  respondProblem(error: PolycastError, headers: readonly string[]): void {
    this.#checkIfRead();
    respondProblem(this.#response, error, headers);
  }

  respondEmpty(status: number, headers?: readonly string[]): void {
    this.#checkIfRead();
    respondEmpty(this.#response, status, headers);
  }

  /**
   * Checks a read again when its response is sent. A write is done at that point, so its response
   * is sent without a check.
   */
  #checkIfRead(): void {
    const { method } = this.#request;
    if (method === 'GET' || method === 'HEAD') this.check();
  }
}
