import type { SendRequest, SendResult } from '../../state/ports.ts';
import type { Intent } from './parameters.ts';

/** For one question to a callback, all of it. */
const TIMEOUT_MS = 15_000;

/**
 * Asks a callback whether it wants what was asked for in its name (WebSub section 5.3).
 * @param leaseSeconds what a subscription would be granted
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

/** Tells a callback that it gets nothing, or nothing more (WebSub section 5.2). */
export function denial(topic: string, callback: string, reason: string): SendRequest {
  return callbackRequest(callback, [
    ['hub.mode', 'denied'],
    ['hub.topic', topic],
    ['hub.reason', reason],
  ]);
}

/** Only a 2xx whose body is the challenge is a yes: a redirect, or a page that is found everywhere, is none. */
export function isConfirmed({ failure, answer }: SendResult, challenge: string): boolean {
  if (failure !== undefined || answer === undefined) return false;
  return answer.status >= 200 && answer.status <= 299 && !answer.isCut && answer.body === challenge;
}

/** The callback's own query is kept as it is, character for character. */
function callbackRequest(callback: string, parameters: readonly (readonly [string, string])[]): SendRequest {
  const query = parameters.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&');
  const joint = !callback.includes('?') ? '?' : /[?&]$/.test(callback) ? '' : '&';
  return { url: callback + joint + query, method: 'GET', headers: {}, body: undefined, timeoutMs: TIMEOUT_MS };
}
