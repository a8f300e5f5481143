import type { ClientMessage, ServerMessage } from '@polycast/protocol';
import { endingOf, type RequestContext } from '../http.ts';
import type { OpenRequest, TransportInput } from '../machine/state.ts';

type WithoutAttempt<Input> = Input extends unknown ? Omit<Input, 'attempt'> : never;

/** The answer to a publish (PROTOCOL.md section 7.3). */
export type Answer = Extract<ServerMessage, { readonly op: ClientMessage['op'] }>;

/** What a transport tells: what the machine is to know, and the answers to operations that are not the machine's. */
export type TransportSignal = WithoutAttempt<TransportInput> | { readonly kind: 'answer'; readonly message: Answer };

export type EmitSignal = (signal: TransportSignal) => void;

/** Frames and nothing else: what to ask for, when, and what to do about the answer, the machine decides. */
export interface Transport {
  /** Sends an operation (PROTOCOL.md section 7.3); absent where there are none. */
  send?(message: ClientMessage): void;
  /** Ends it; it tells nothing after that. */
  close(): void;
}

export type OpenTransport = (target: RequestContext, request: OpenRequest, tell: EmitSignal) => Transport;

/** A transport that reads until it is closed, or `read` rejects. */
export function createReadingTransport(emit: EmitSignal, read: (signal: AbortSignal) => Promise<never>): Transport {
  const controller = new AbortController();
  const close = (): void => controller.abort();
  read(controller.signal).catch((error: unknown) => {
    if (controller.signal.aborted) return;
    close();
    emit({ kind: 'ended', ending: endingOf(error) });
  });
  return { close };
}
