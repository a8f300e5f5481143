import { copyFileSync, statSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startBrowser } from '../../packages/console/browser/lab-page.ts';
import { buildBinary } from '../../scripts/build-binary.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { within } from '../kit/wait.ts';
import { takeFirstSteps } from './first-steps.ts';
import { plainEnvironment, polycast, start, type Installation } from './installation.ts';

const MEGABYTES_MAX = 150;
const BUILD_TIMEOUT_MS = 300_000;

let executable: string;
let browser: Browser;
beforeAll(async () => {
  executable = await buildBinary(join(temporaryFolder('binary'), 'polycast'));
  browser = await startBrowser();
}, BUILD_TIMEOUT_MS);
afterAll(() => browser.close());

/** A folder with nothing but the executable. There is no Node.js in the search path. */
function installed(): Installation {
  const folder = temporaryFolder('executable');
  copyFileSync(executable, join(folder, 'polycast'));
  return { folder, command: ['./polycast'], environment: { ...plainEnvironment(folder), PATH: folder } };
}

test('one file is a whole installation: its first steps are those of the packages', async () => {
  const installation = installed();
  expect(statSync(executable).size / 1e6).toBeLessThan(MEGABYTES_MAX);
  expect(await polycast(installation, '--version')).toMatch(/^\d+\.\d+\.\d+\n$/);
  await takeFirstSteps(installation, browser, async ({ url }) => {
    const script = await fetch(`${url}/client.js`);
    expect([script.status, await script.text()]).toEqual([200, expect.stringContaining('export')]);
    const page = await fetch(`${url}/docs/`);
    expect([page.status, await page.text()]).toEqual([200, expect.stringContaining('Polycast')]);
  });
});

test('after kill -9 it has every event and subscription that it has acknowledged', async () => {
  const installation = installed();
  const first = await serveOpen(installation);
  for (const count of [1, 2, 3])
    await polycast(installation, 'publish', 'orders.42', JSON.stringify({ count }), '--url', first.url);
  await polycast(installation, 'subscriptions', 'create', 'orders.>', '--pull', '--url', first.url);
  await first.end('SIGKILL');
  const second = await serveOpen(installation);
  const events = await fetch(`${second.url}/v1/events?channel=orders.>&after=earliest`);
  expect(await events.json()).toMatchObject({ events: [1, 2, 3].map((count) => ({ data: { count } })), gaps: [] });
  const { subscriptions } = (await (await fetch(`${second.url}/v1/subscriptions`)).json()) as Listed;
  expect(subscriptions).toMatchObject([{ channels: ['orders.>'], delivery: { kind: 'pull' } }]);
  await second.end('SIGTERM');
});

test('the libraries that are loaded late are inside: schemas of event types, and YAML', async () => {
  const installation = installed();
  const check = (sample: string): Promise<string> => {
    writeFileSync(join(installation.folder, 'hub.yaml'), `${EVENT_TYPE}    sample: ${sample}\n`);
    return polycast(installation, 'config', 'check', '--config', 'hub.yaml');
  };
  expect(await check('{ amount: 7 }')).toMatch(/^valid/);
  await expect(check('{ amount: seven }')).rejects.toMatchObject({
    stderr: expect.stringContaining('sample') as string,
  });
});

const EVENT_TYPE = `eventTypes:
  - name: order.paid
    schema: { type: object, properties: { amount: { type: integer } }, required: [amount] }
`;

interface Listed {
  readonly subscriptions: readonly object[];
}

interface ServingHub {
  readonly url: string;
  end(signal: NodeJS.Signals): Promise<void>;
}

/** `polycast serve` with its data on the disk, open to this machine. */
async function serveOpen(installation: Installation): Promise<ServingHub> {
  const words = ['serve', '--listen', '127.0.0.1:0', '--data', 'data', '--set', 'access=loopback'];
  const hub = start(installation, './polycast', ...words);
  const url = new Promise<string>((resolve, reject) => {
    let output = '';
    hub.stdout?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      const listening = /listening on (\S+)\n/.exec(output)?.[1];
      if (listening !== undefined) resolve(listening);
    });
    hub.once('exit', (code) => reject(new Error(`polycast serve ended with ${code}: ${output}`)));
  });
  return {
    url: await within('polycast serve to listen', url),
    async end(signal: NodeJS.Signals): Promise<void> {
      const ended = once(hub, 'exit');
      hub.kill(signal);
      await within('polycast serve to end', ended);
    },
  };
}
