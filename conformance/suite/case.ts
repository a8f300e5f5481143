import type { ErrorCode } from '@polycast/protocol';

/**
 * What a server that speaks PROTOCOL.md has to do, as data. Texts hold placeholders: `{name}`
 * stands for what was noted before (`{c}` is a channel that only this case uses); `<cursor:name>`
 * in an expectation stands for any cursor and notes it.
 */
export interface Case {
  readonly name: string;
  /** The sections that it shows to hold. */
  readonly sections: readonly string[];
  /** Only for a hub that has the rules of `polycast.yaml`. */
  readonly needs?: 'rules';
  readonly steps: readonly Step[];
}

export type Step = Exchange | Dialogue | Conversation;

/** A request and what must be answered. */
export interface Exchange {
  /** `GET /v1/events?channel={c}`. */
  readonly request: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** A text with placeholders, a value that becomes JSON, or bytes. */
  readonly body?: string | object;
  readonly answer: Answer;
  /** What the hub does in its own time: asked again until it is so. */
  readonly eventually?: true;
}

export interface Answer {
  readonly status: number;
  /** Each must be there and match; null: it must not be there. */
  readonly headers?: Readonly<Record<string, string | null>>;
  /**
   * The whole body as text, as a JSON value with placeholders in its strings, or as the code of a
   * problem document.
   */
  readonly text?: string;
  readonly json?: unknown;
  readonly code?: ErrorCode;
}

/** Lines over a bare connection: what is sent, and what comes back. */
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

/** What is noted as a case goes on. */
export type Captures = Map<string, string>;
