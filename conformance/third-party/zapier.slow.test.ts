import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { startHubProcess } from '../kit/hub-process.ts';
import { call } from '../kit/http.ts';
import { install } from '../kit/registries.ts';

const run = promisify(execFile);

test("Zapier's own client subscribes, lists and unsubscribes with the requests of the guide", async ({ skip }) => {
  const installed = await install({
    folder: join(import.meta.dirname, 'zapier'),
    toolchain: [['npm', '--version']],
    steps: [['npm', 'install', '--no-audit', '--no-fund', '--no-package-lock', '--omit=peer', '--loglevel=error']],
  });
  if ('missing' in installed) return skip(installed.missing);
  const config = { eventTypes: [{ name: 'order.baked', channels: ['orders.>'], sample: { id: 7 } }] };
  const hub = await startHubProcess({ config });
  const target = 'http://127.0.0.1:9/catch';
  const { stdout } = await run(process.execPath, [join(installed.folder, 'app.js'), hub.url, target]);
  const [, text = ''] = /^shown (.*)$/m.exec(stdout) ?? [];
  const shown = JSON.parse(text) as Record<string, unknown>;
  expect(shown['list']).toEqual([{ id: 7 }]);
  expect(shown['subscribe']).toMatchObject({ target_url: target, event: 'order.baked', channels: ['orders.>'] });
  expect(shown['unsubscribe']).toEqual({ removed: 1 });
  expect((await call(`${hub.url}/v1/hooks`)).json()).toEqual({ hooks: [] });
  await hub.end('SIGTERM');
}, 400_000);
