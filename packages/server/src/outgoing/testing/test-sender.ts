import { isIP, Socket, type LookupFunction, type TcpNetConnectOpts } from 'node:net';
import { onTestFinished } from 'vitest';
import type { SendRequest } from '../../subscriptions/state/ports.ts';
import type { Dial } from '../connector.ts';
import type { GuardedFetchOptions } from '../guarded-fetch.ts';
import { createSender, type ClosableSender, type SenderOptions } from '../sender.ts';

/** As the configuration has it unless something is said. */
export const DEFAULTS: GuardedFetchOptions & SenderOptions = {
  allow: [],
  deny: [],
  ports: [80, 443, 8443],
  httpsOnly: false,
  loopback: false,
  nameServers: [],
  proxy: null,
  proxyConnectTo: 'address',
  connectionsMax: 100,
  connectionsPerHostMax: 10,
  userAgent: 'Polycast/test',
  onClientError: rethrow,
};

/** What would have ended the hub fails the test that it happens in. */
function rethrow(error: unknown): never {
  throw error;
}

/** Until the test is over. */
export function testSender(options: Partial<SenderOptions> = {}): ClosableSender {
  const sender = createSender({ ...DEFAULTS, ...options });
  onTestFinished(() => sender.close());
  return sender;
}

export function post(url: string, more: Partial<SendRequest> = {}): SendRequest {
  return { url, method: 'POST', headers: {}, body: Buffer.from('hello'), timeoutMs: 5000, ...more };
}

/** Connects to nothing: it notes every address that would have been tried, and refuses. */
export function recordingDial(): { readonly dial: Dial; readonly dialled: string[] } {
  const dialled: string[] = [];
  const dial = ({ host = '', port, lookup }: TcpNetConnectOpts): Socket => {
    if (isIP(host) !== 0) dialled.push(`${host} ${port}`);
    else
      (lookup as LookupFunction)(host, { all: true }, (_error, addresses) => {
        for (const { address } of addresses as { address: string }[]) dialled.push(`${address} ${port}`);
      });
    return new Socket().destroy(Object.assign(new Error('refused by the test'), { code: 'ECONNREFUSED' }));
  };
  return { dial, dialled };
}
