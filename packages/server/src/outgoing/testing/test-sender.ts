import { isIP, Socket, type LookupFunction, type TcpNetConnectOpts } from 'node:net';
import { onTestFinished } from 'vitest';
import type { SendRequest } from '../../subscriptions/state/sender.ts';
import type { Dial } from '../connector.ts';
import type { GuardedFetchOptions } from '../guarded-fetch.ts';
import { createSender, type ClosableSender, type SenderOptions } from '../sender.ts';

/** The defaults of the configuration. */
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

/** An error that would end the hub's process fails the test. */
function rethrow(error: unknown): never {
  throw error;
}

/** A sender that closes when the test ends. */
export function testSender(options: Partial<SenderOptions> = {}): ClosableSender {
  const sender = createSender({ ...DEFAULTS, ...options });
  onTestFinished(() => sender.close());
  return sender;
}

export function post(url: string, more: Partial<SendRequest> = {}): SendRequest {
  return { url, method: 'POST', headers: {}, body: Buffer.from('hello'), timeoutMs: 5000, ...more };
}

/** A `dial` that never connects. It records every address and refuses it. */
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
