import type { ErrorCode } from '@polycast/protocol';

/**
 * A case describes, as data, the behaviour that PROTOCOL.md requires of a server. Texts contain
 * placeholders. `{name}` is replaced by a saved value (`{c}` is a channel that only this case
 * uses). `<cursor:name>` in an expectation matches any cursor and saves it.
 */
export interface Case {
  readonly name: string;
  /** The sections that it tests. */
  readonly sections: readonly string[];
  /** Only for a hub with the rules of `polycast.yaml`. */
  readonly needs?: 'rules';
  readonly steps: readonly Step[];
}

export type Step = Exchange | Dialogue | Conversation;

/** A request and its expected answer. */
export interface Exchange {
  /** `GET /v1/events?channel={c}`. */
  readonly request: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** A text with placeholders, a value that becomes JSON, or bytes. */
  readonly body?: string | object;
  readonly answer: Answer;
  /** For asynchronous effects: the request is repeated until the answer is as expected. */
  readonly eventually?: true;
}

export interface Answer {
  readonly status: number;
  /** Each header must be present and match; null: it must be absent. */
  readonly headers?: Readonly<Record<string, string | null>>;
  /**
   * The whole body as text, as a JSON value with placeholders in its strings, or as the code of a
   * problem document.
   */
  readonly text?: string;
  readonly json?: unknown;
  readonly code?: ErrorCode;
}

/** Lines over a bare connection: sent and expected ones. */
export interface Dialogue {
  readonly http: readonly Turn[];
}

/** Messages over a WebSocket. */
export interface Conversation {
  /** `/v1/events?channel={c}`. */
  readonly webSocket: string;
  readonly turns: readonly Turn[];
}

export type Turn =
  | { readonly send: string }
  | { readonly receive: string }
  /** An event is published over a connection of its own. */
  | { readonly publish: string }
  /** The connection ends; a WebSocket with this code. */
  | { readonly close: number };

/** The values that are saved during a case. */
export type Captures = Map<string, string>;

/** Receives what both sides have sent: a message, or all of an answer with its head. */
export type Observer = (sent: {
  readonly transport: 'websocket' | 'http';
  readonly from: 'client' | 'hub';
  readonly text: string;
}) => void;
