import type { AttemptOutcome, RecordedResponse, Timing } from './ports.ts';

/**
 * Sends requests to the addresses of others, within the guard. `send` never rejects: a failure is
 * an outcome.
 */
export interface Sender {
  send(request: SendRequest): Promise<SendResult>;
  /**
   * Requests are to be expected. Soon after, the sender loads what it needs for them, so that the
   * first event does not wait for that.
   */
  prepare(): void;
  /**
   * What is wrong with a URL, as far as its text shows: its form, a literal address, its port. No
   * name lookup.
   */
  urlProblem(url: string): Refusal | undefined;
  /** Open connections, the idle ones among them, and requests that wait for a connection. */
  readonly metrics: { readonly open: number; readonly idle: number; readonly waiting: number };
}

/**
 * Why there was no response. The text is for a person and contains nothing of a private network.
 */
export interface Refusal {
  readonly failure: Exclude<AttemptOutcome, 'delivered' | 'refused_status' | 'gone' | 'slowed_down' | 'redirected'>;
  readonly detail: string;
}

export interface SendRequest {
  readonly url: string;
  readonly method: 'POST' | 'GET' | 'OPTIONS';
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | undefined;
  /** Deadline of the whole exchange. */
  readonly timeoutMs: number;
}

export interface SendResult {
  /** `undefined` when there was a response, of any status. */
  readonly failure: Refusal['failure'] | undefined;
  readonly detail: string;
  readonly answer: RecordedResponse | undefined;
  /**
   * True when the address is not public. Only operators of the hub may see the response, and an
   * `Attempt` does not contain it.
   */
  readonly isPrivateAddress: boolean;
  readonly timing: Timing;
}
