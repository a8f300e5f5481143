import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

// A process of its own, because other tests of this one have loaded the client.
test('a prepared sender loads the HTTP client without a request', async () => {
  const program = `
    import { createSender } from ${JSON.stringify(import.meta.resolve('./sender.ts'))};
    import { isHttpClientLoaded } from ${JSON.stringify(import.meta.resolve('../platform/http-client.ts'))};
    const sender = createSender({
      allow: [], deny: [], ports: [], loopback: true, httpsOnly: false, userAgent: 'test', nameServers: [], proxy: null,
      proxyConnectTo: 'address', connectionsMax: 1, connectionsPerHostMax: 1, onClientError: console.error,
    });
    sender.prepare();
    sender.prepare();
    const states = [isHttpClientLoaded()];
    while (!isHttpClientLoaded()) await new Promise((resolve) => setTimeout(resolve, 20));
    states.push(isHttpClientLoaded());
    await sender.close();
    console.log(states.join());
  `;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program]);
  expect(stdout.trim()).toBe('false,true');
});
