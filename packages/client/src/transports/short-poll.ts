import type { RequestContext } from '../http.ts';
import type { OpenRequest } from '../machine/state.ts';
import { openPolling } from './polling.ts';
import type { OpenTransport, EmitSignal, Transport } from './transport.ts';

/** Short poll (PROTOCOL.md section 5.1). It works in networks that cut long answers and streams. */
export function createShortPoll(intervalMs: number): OpenTransport {
  return (target: RequestContext, request: OpenRequest, emit: EmitSignal): Transport =>
    openPolling(target, request, emit, 0, intervalMs);
}
