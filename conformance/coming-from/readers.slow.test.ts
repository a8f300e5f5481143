import { beforeAll, describe, expect, test } from 'vitest';
import { startHubProcess, type HubProcess } from '../kit/hub-process.ts';
import type { Installed } from '../kit/registries.ts';
import { unusedPort } from '../../scripts/unused-port.ts';
import { CHANGES, installExamples, startProgram } from './programs.ts';

/**
 * The programs of `examples/coming-from` that read events: before and after print the same. Pusher
 * is a service, and npm has no server of Centrifugo or Mercure: there only `after.mjs` runs.
 */
describe('after the migration', () => {
  let hub: HubProcess;

  beforeAll(async () => {
    hub = await startHubProcess();
  });

  test.each(['polling', 'socket-io', 'pusher', 'centrifugo', 'mercure'])('from %s', async (product) => {
    const program = startProgram(`${product}/after.mjs`, { POLYCAST_URL: hub.url });
    expect(await program.ended, program.errorOutput()).toBe(0);
    expect(program.lines()).toEqual(CHANGES);
  });
});

describe('before the migration', () => {
  let installed: Installed;

  beforeAll(async () => {
    installed = await installExamples();
  });

  test('polling', async () => {
    const program = startProgram('polling/before.mjs', { PORT: String(await unusedPort()) });
    expect(await program.ended, program.errorOutput()).toBe(0);
    expect(program.lines()).toEqual(CHANGES);
  });

  test('Socket.IO', async ({ skip }) => {
    if ('missing' in installed) return skip(installed.missing);
    const program = startProgram('socket-io/before.mjs', { PORT: String(await unusedPort()) }, installed.folder);
    expect(await program.ended, program.errorOutput()).toBe(0);
    expect(program.lines()).toEqual(CHANGES);
  });
});
