import type { SendRequest, SendResult } from '../../state/sender.ts';
import type { Intent } from './parameters.ts';

/** Time limit of one request to a callback, including the response. */
const TIMEOUT_MS = 15_000;

/**
 * Asks a callback to confirm a subscription or its end, because anyone can send a request in its
 * name (WebSub section 5.3).
 * @param leaseSeconds the lease that the hub would grant
 */
export function verificationRequest(intent: Intent, challenge: string, leaseSeconds: number): SendRequest {
  const parameters: [string, string][] = [
    ['hub.mode', intent.mode],
    ['hub.topic', intent.topic],
    ['hub.challenge', challenge],
  ];
  if (intent.mode === 'subscribe') parameters.push(['hub.lease_seconds', String(leaseSeconds)]);
  if (intent.verifyToken !== undefined) parameters.push(['hub.verify_token', intent.verifyToken]);
  return callbackRequest(intent.callback, parameters);
}

/** Informs a callback that its subscription is refused or has ended (WebSub section 5.2). */
export function denial(topic: string, callback: string, reason: string): SendRequest {
  return callbackRequest(callback, [
    ['hub.mode', 'denied'],
    ['hub.topic', topic],
    ['hub.reason', reason],
  ]);
}

/**
 * Only a 2xx response whose body is the challenge confirms. A redirect does not, and neither does a
 * page that answers every URL.
 */
export function isConfirmed({ failure, answer }: SendResult, challenge: string): boolean {
  if (failure !== undefined || answer === undefined) return false;
  return answer.status >= 200 && answer.status <= 299 && !answer.isCut && answer.body === challenge;
}

/** The callback's own query is preserved character by character. */
function callbackRequest(callback: string, parameters: readonly (readonly [string, string])[]): SendRequest {
  const query = parameters.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&');
  const joint = !callback.includes('?') ? '?' : /[?&]$/.test(callback) ? '' : '&';
  return { url: callback + joint + query, method: 'GET', headers: {}, body: undefined, timeoutMs: TIMEOUT_MS };
}
