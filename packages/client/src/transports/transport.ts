import type { ClientMessage, ServerMessage } from '@polycast/protocol';
import { endingOf, type RequestContext } from '../http.ts';
import type { OpenRequest, TransportInput } from '../machine/state.ts';

type WithoutAttempt<Input> = Input extends unknown ? Omit<Input, 'attempt'> : never;

/** The answer to a publish (PROTOCOL.md section 7.3). */
export type Answer = Extract<ServerMessage, { readonly op: ClientMessage['op'] }>;

/**
 * A signal of a transport: an input for the machine, or the answer to an operation that is not the
 * machine's.
 */
export type TransportSignal = WithoutAttempt<TransportInput> | { readonly kind: 'answer'; readonly message: Answer };

export type EmitSignal = (signal: TransportSignal) => void;

/**
 * A transport reads and writes frames. The machine decides on requests, their times, and the
 * reaction to answers.
 */
export interface Transport {
  /** Sends an operation (PROTOCOL.md section 7.3); absent on transports without operations. */
  send?(message: ClientMessage): void;
  /** Ends the transport; it emits nothing after that. */
  close(): void;
}

export type OpenTransport = (target: RequestContext, request: OpenRequest, emit: EmitSignal) => Transport;

/** Makes a transport that reads until it is closed, or until `read` rejects. */
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
