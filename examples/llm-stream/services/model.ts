/**
 * A model answers a conversation in pieces. Two adapters: local-model.ts, and openai-model.ts for
 * each API that is compatible with OpenAI's.
 */
export type Model = (turns: readonly Turn[], signal: AbortSignal) => AsyncIterable<Piece>;

export interface Turn {
  readonly role: 'user' | 'assistant';
  readonly content: string;
}

/** A piece of the text, or at the end what the answer has used. */
export type Piece = { readonly text: string } | { readonly usage: Usage };

export interface Usage {
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/**
 * What the channel `answer.<chat>` holds: the newest answer as far as it is,
 * for those who come late.
 */
export interface AnswerSoFar {
  readonly messageId: string;
  readonly text: string;
  readonly state: 'streaming' | 'done' | 'stopped' | 'failed';
}

/** The event `end` of `tokens.<chat>`. */
export interface AnswerEnd {
  readonly messageId: string;
  readonly state: AnswerSoFar['state'];
  readonly usage: (Usage & { readonly dollars: number }) | undefined;
}
