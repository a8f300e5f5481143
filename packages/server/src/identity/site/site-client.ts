import type { Agent, Dispatcher } from 'undici';
import { httpClient, loadHttpClient } from '../../platform/http-client.ts';
import { SiteFailure } from './site-failure.ts';

/** The bound on an answer's body. */
const SITE_ANSWER_BYTES_MAX = 64 * 1024;
const HEADER_BYTES_MAX = 16 * 1024;
/**
 * Apache closes idle connections after 5 s, so the hub closes them earlier. A site that sends
 * `Keep-Alive: timeout=` sets its own time.
 */
const IDLE_TIMEOUT_MS = 4000;

export interface SiteClientSettings {
  readonly url: string;
  readonly secret: string | undefined;
  /** The deadline of the whole exchange: from connecting to the last byte of the answer. */
  readonly timeoutMs: number;
  readonly concurrentMax: number;
}

export interface SiteReply {
  readonly status: number;
  readonly text: string;
}

/**
 * Sends POST requests to one URL of the site. The operator chose the URL, so it may have a private
 * address. Redirects are not followed.
 */
export class SiteClient {
  #agent: Agent | undefined;
  #isClosed = false;
  readonly #settings: SiteClientSettings;
  readonly #origin: string;
  readonly #path: string;

  constructor(settings: SiteClientSettings) {
    const { origin, pathname, search } = new URL(settings.url);
    this.#settings = settings;
    this.#origin = origin;
    this.#path = pathname + search;
  }

  async #openAgent(): Promise<Agent> {
    const { timeoutMs, concurrentMax } = this.#settings;
    const { Agent } = await loadHttpClient();
    this.#agent ??= new Agent({
      connections: concurrentMax,
      pipelining: 1,
      allowH2: false,
      keepAliveTimeout: IDLE_TIMEOUT_MS,
      connect: { timeout: timeoutMs },
      // The deadline in `post` replaces undici's own timeouts.
      headersTimeout: 0,
      bodyTimeout: 0,
      maxHeaderSize: HEADER_BYTES_MAX,
      maxResponseSize: SITE_ANSWER_BYTES_MAX,
    });
    // A closed agent rejects its requests.
    if (this.#isClosed) await this.#agent.destroy();
    return this.#agent;
  }

  /** @throws SiteFailure */
  async post(body: string, headers: Readonly<Record<string, string>>): Promise<SiteReply> {
    const deadline = new AbortController();
    const timer = setTimeout(() => deadline.abort(), this.#settings.timeoutMs);
    try {
      return await this.#postOnce(body, headers, deadline.signal).catch((error: unknown) => {
        // The site closed an idle connection in the moment of its reuse. Repeat the request once.
        if (deadline.signal.aborted || !(error instanceof httpClient().errors.SocketError || isReset(error)))
          throw error;
        return this.#postOnce(body, headers, deadline.signal);
      });
    } catch (error) {
      throw deadline.signal.aborted
        ? new SiteFailure(`it did not answer within ${this.#settings.timeoutMs} ms`)
        : toSiteFailure(error);
    } finally {
      clearTimeout(timer);
    }
  }

  async #postOnce(body: string, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<SiteReply> {
    const { secret } = this.#settings;
    const own = {
      'content-type': 'application/json',
      accept: 'application/json',
      'accept-encoding': 'identity',
      ...(secret === undefined ? {} : { 'polycast-secret': secret }),
    };
    const options: Dispatcher.RequestOptions = {
      origin: this.#origin,
      path: this.#path,
      method: 'POST',
      headers: { ...headers, ...own },
      body,
      signal,
    };
    const agent = await this.#openAgent();
    const answer = await agent.request(options);
    const refusal = headersFailure(answer.headers);
    if (refusal === undefined) return { status: answer.statusCode, text: await answer.body.text() };
    // Destroying the body causes an error on it, which needs a listener.
    answer.body.on('error', () => undefined).destroy();
    throw refusal;
  }

  /** Ends the requests in flight. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#agent?.destroy();
  }
}

/** Checks an answer before its body arrives. */
function headersFailure(headers: Dispatcher.ResponseData['headers']): SiteFailure | undefined {
  const { 'content-encoding': encoding = 'identity', 'content-length': bytes = '0' } = headers;
  if (encoding !== 'identity') return new SiteFailure('its answer is compressed');
  return Number(bytes) > SITE_ANSWER_BYTES_MAX ? tooLongFailure() : undefined;
}

function tooLongFailure(): SiteFailure {
  return new SiteFailure(`its answer exceeds ${SITE_ANSWER_BYTES_MAX} bytes`);
}

/** The failure for the log: a category, and nothing of the request's content. */
function toSiteFailure(error: unknown): SiteFailure {
  if (error instanceof SiteFailure) return error;
  const { errors } = httpClient();
  if (error instanceof errors.ResponseExceededMaxSizeError) return tooLongFailure();
  if (error instanceof errors.HeadersOverflowError)
    return new SiteFailure(`the headers of its answer exceed ${HEADER_BYTES_MAX} bytes`);
  const code = codeOf(error);
  const isOf = code !== undefined && SITE_FAULT_CODES.test(code) ? 'site' : 'either';
  return new SiteFailure(code === undefined ? 'it is not reachable' : `it is not reachable (${code})`, isOf);
}

/** Codes of errors without a connection. The question cannot be at fault. */
const SITE_FAULT_CODES =
  /^(?:ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT|CERT_.*|ERR_TLS_.*|DEPTH_ZERO_.*|SELF_SIGNED_.*|UNABLE_TO_.*)$/;

function isReset(error: unknown): boolean {
  return codeOf(error) === 'ECONNRESET' || codeOf(error) === 'EPIPE';
}

function codeOf(error: unknown): string | undefined {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}
