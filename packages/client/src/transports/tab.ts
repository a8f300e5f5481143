import type { Target } from '../http.ts';
import type { OpenRequest } from '../machine/state.ts';
import type { TabPart } from '../options.ts';
import { readMessage } from './messages.ts';
import type { OpenTransport, Tell, Transport } from './transport.ts';

/** Reads through another tab, in the messages of a WebSocket. */
export function createTab({ open }: TabPart): OpenTransport {
  return (_target: Target, request: OpenRequest, tell: Tell): Transport =>
    open(request, (message) =>
      message === undefined
        ? tell({ kind: 'ended', ending: { kind: 'lost', why: 'gone' } })
        : readMessage(message, tell),
    );
}
