import http from 'node:http';
import { unreachable, type HubAddress } from '../../hub-address.ts';
import type { CliError } from '../../exit-codes.ts';

/** Whether a hub accepts work. `why` is the reason if it does not: `draining`, or no answer. */
export type Readiness =
  | { readonly ready: true }
  | { readonly ready: false; readonly why: string; readonly error?: CliError };

/**
 * Asks `/readyz`. The request carries no key, so any certificate is accepted. A health check inside
 * a container reaches the hub by a name that the certificate does not have.
 */
export function readReadiness({ url }: HubAddress, timeoutMs: number): Promise<Readiness> {
  // Not by an import, which would load TLS at each start.
  const { request: send } = url.startsWith('https:') ? process.getBuiltinModule('node:https') : http;
  return new Promise((resolve) => {
    const fail = (error: unknown): void =>
      resolve({ ready: false, why: 'unreachable', error: unreachable(url, error) });
    const request = send(`${url}/readyz`, { rejectUnauthorized: false, timeout: timeoutMs }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece: string) => (text += piece));
      response.on('error', fail).on('end', () => resolve(readinessOf(response.statusCode ?? 0, text)));
    });
    request.on('timeout', () => request.destroy(new Error(`no answer within ${timeoutMs} ms`)));
    request.on('error', fail).end();
  });
}

function readinessOf(status: number, text: string): Readiness {
  if (status === 200) return { ready: true };
  const [, why = `the response was ${status}`] = /"why":"(\w+)"/.exec(text) ?? [];
  return { ready: false, why };
}
