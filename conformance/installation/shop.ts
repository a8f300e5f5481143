import { randomBytes } from 'node:crypto';
import { on } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { expect } from 'vitest';
import { within } from '../kit/wait.ts';
import { subscribeWebhook } from './first-steps.ts';
import { polycast, start, type DevHub, type Installation } from './installation.ts';

/** The program reads over each transport and receives a webhook, with the installed client. */
export async function runShop(installation: Installation, { url }: DevHub): Promise<void> {
  const secret = `whsec_${randomBytes(32).toString('base64')}`;
  const shop = start(installation, 'node', 'shop.mjs', url, secret);
  const lines = linesOf(shop.stdout as Readable);
  const { port } = (await lines.next()) as { port: number };
  for (const transport of ['websocket', 'sse', 'long-poll', 'short-poll'])
    expect(await lines.next()).toEqual({ transport, data: { over: transport } });
  await subscribeWebhook(installation, url, { channel: 'paid.>', port, secret });
  await polycast(installation, 'publish', 'paid.43', '{"amount":8}', '--url', url);
  expect(await lines.next()).toEqual({ webhook: 'paid.43', data: { amount: 8 } });
  shop.kill();
}

/** The lines of JSON that a program prints, one at a time. */
function linesOf(output: Readable): { next(): Promise<unknown> } {
  const lines = on(createInterface({ input: output }), 'line');
  return {
    async next() {
      const { value } = await within('a line of the program', lines.next());
      return JSON.parse((value as [string])[0]) as unknown;
    },
  };
}
