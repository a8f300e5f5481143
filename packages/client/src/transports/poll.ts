import type { Target } from '../http.ts';
import type { OpenRequest } from '../machine/state.ts';
import { openPolling } from './polling.ts';
import type { OpenTransport, Tell, Transport } from './transport.ts';

/** Short poll (PROTOCOL.md section 5.1): what gets through where nothing is allowed to last. */
export function createPoll(intervalMs: number): OpenTransport {
  return (target: Target, request: OpenRequest, tell: Tell): Transport =>
    openPolling(target, request, tell, 0, intervalMs);
}
