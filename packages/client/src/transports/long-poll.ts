import type { RequestContext } from '../http.ts';
import type { OpenRequest } from '../machine/state.ts';
import { openPolling } from './polling.ts';
import type { EmitSignal, Transport } from './transport.ts';

/** Below 30 s, after which many proxies give up on an answer. */
const WAIT_SECONDS = 25;

/**
 * Long poll (PROTOCOL.md section 5.3): the hub holds the answer until there is an event, or the
 * time is over.
 */
export function openLongPoll(target: RequestContext, request: OpenRequest, emit: EmitSignal): Transport {
  return openPolling(target, request, emit, WAIT_SECONDS, 0);
}
