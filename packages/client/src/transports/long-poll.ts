import type { Target } from '../http.ts';
import type { OpenRequest } from '../machine/state.ts';
import { openPolling } from './polling.ts';
import type { Tell, Transport } from './transport.ts';

/** Below the 30 s after which many proxies give up on an answer. */
const WAIT_SECONDS = 25;

/** Long poll (PROTOCOL.md section 5.3): the hub holds the answer until there is something in it. */
export function openLongPoll(target: Target, request: OpenRequest, tell: Tell): Transport {
  return openPolling(target, request, tell, WAIT_SECONDS, 0);
}
