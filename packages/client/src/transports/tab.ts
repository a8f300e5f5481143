import type { RequestContext } from '../http.ts';
import type { OpenRequest } from '../machine/state.ts';
import type { TabSession } from '../connection/options.ts';
import { readMessage } from './messages.ts';
import type { OpenTransport, EmitSignal, Transport } from './transport.ts';

/** Reads through another tab, in the messages of a WebSocket. */
export function createTab({ open }: TabSession): OpenTransport {
  return (_target: RequestContext, request: OpenRequest, emit: EmitSignal): Transport =>
    open(request, (message) =>
      message ? readMessage(message, emit) : emit({ kind: 'ended', ending: { kind: 'lost', why: 'gone' } }),
    );
}
