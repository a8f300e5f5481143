import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { polycast, type CommandResult } from '../kit/command.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { startHubProcess, type HubProcess } from '../kit/hub-process.ts';
import { publish } from '../kit/http.ts';
import { until } from '../kit/wait.ts';
import { preloaded, type Preloaded } from './preloaded-processes.ts';
import { processesOf, type MemberProcess } from './process-connections.ts';

/** Starts a hub whose processes run this code first. */
async function startWith(code: string, processes = 2): Promise<HubProcess & Preloaded> {
  const { environment, path } = preloaded(code);
  const hub = await startHubProcess({ data: temporaryFolder('processes'), config: { processes }, environment });
  onTestFinished(() => void hub.end('SIGKILL'));
  return { ...hub, environment, path };
}

test('a follower that ends before it was ready is replaced, and the hub starts', async () => {
  const hub = await startWith(`if (role === 'follower' && pidsSoFar === 1) process.exit(3);`);
  await until('the greeting is complete', () => /\n {2}2 processes, the owner/.test(hub.output()));
  await until('both processes are there', async () => (await processesOf(hub.url)).length === 2);
  expect(hub.log()).toMatch(/ended before it was ready/);
  expect(await hub.end('SIGTERM')).toBe(0);
});

test.each(['follower', 'owner'])('a next %s whose start fails ends, and is replaced', async (role) => {
  const hub = await startWith(`
    if (role === '${role}' && pidsSoFar === 2) {
      const { Server } = await import('node:net');
      Server.prototype.listen = () => { throw new Error('no address'); };
    }`);
  const [owner, follower] = await bothProcesses(hub);
  process.kill(role === 'owner' ? owner.pid : follower.pid, 'SIGKILL');
  await until('the start has failed', () => /no address[^]*ended before it was ready/.test(hub.log()));
  await until('there is another one', () => readFileSync(hub.path(role), 'utf8').split('\n').length === 4);
  await bothProcesses(hub);
  await publish(hub.url, { channel: 'a', data: 1 });
  expect(await hub.end('SIGTERM')).toBe(0);
});

test('a hub whose followers cannot start says so, and serves with its owner', async () => {
  const hub = await startWith(`if (role === 'follower' && !existsSync(path('allowed'))) process.exit(3);`);
  await until('the greeting is complete', () => /\n {2}1 of 2 processes, the owner/.test(hub.output()));
  await publish(hub.url, { channel: 'a', data: 1 });
  // It is tried again until it starts.
  writeFileSync(hub.path('allowed'), '');
  await until('the follower is there', async () => (await processesOf(hub.url)).length === 2);
  expect(await hub.end('SIGTERM')).toBe(0);
});

test('an owner that ends while the followers start is replaced, and the hub starts', async () => {
  const hub = await startWith(`
    if (role === 'follower' && pidsSoFar === 1) {
      process.kill(Number(readFileSync(path('owner'), 'utf8')), 'SIGKILL');
      while (readFileSync(path('owner'), 'utf8').split('\\n').length < 3) pause();
    }`);
  await publish(hub.url, { channel: 'a', data: 1 });
  await until('both processes are there', async () => (await processesOf(hub.url)).length === 2);
  expect(await hub.end('SIGTERM')).toBe(0);
});

test('another hub with the same folder names the address and the process to stop, also after the owner was replaced', async () => {
  const data = temporaryFolder('processes');
  const hub = await startHubProcess({ data, config: { processes: 2 } });
  onTestFinished(() => void hub.end('SIGKILL'));
  const other = (processes = 1): Promise<CommandResult> =>
    polycast(['serve', '--data', data, '--listen', '127.0.0.1:0', '--processes', String(processes)]);
  const inUse = `The data folder ${data} is in use by the process ${hub.pid}, the hub at ${hub.url}.`;
  expect(await other()).toMatchObject({ code: 1, err: expect.stringContaining(inUse) });
  expect(await other(2)).toMatchObject({ code: 1, err: expect.stringContaining(inUse) });
  const [owner] = await bothProcesses(hub);
  process.kill(owner.pid, 'SIGKILL');
  await until('another process owns the data', async () => {
    const [next] = await processesOf(hub.url);
    return next !== undefined && next.pid !== owner.pid;
  });
  // It serves the other process a moment before it listens.
  await until('it listens', () => readFileSync(join(data, 'owner.json'), 'utf8').includes(hub.url));
  expect(await other()).toMatchObject({ code: 1, err: expect.stringContaining(inUse) });
});

test('SIGTERM ends a hub while a follower starts, also when its owner is killed', async () => {
  const hub = await startWith(`
    while (role === 'follower' && pidsSoFar === 2 && !existsSync(path('released'))) pause();`);
  const [owner, follower] = await bothProcesses(hub);
  process.kill(follower.pid, 'SIGKILL');
  await until('the next follower starts', () => readFileSync(hub.path('follower'), 'utf8').split('\n').length === 3);
  const ended = hub.end('SIGTERM');
  await until('the hub ends', () => hub.log().includes('closing all sessions'));
  // It ends soon, too.
  killIfRunning(owner.pid);
  writeFileSync(hub.path('released'), '');
  expect(await ended, hub.log()).toBe(0);
});

test('a hub ends with 1 when one of its processes fails while it stops', async () => {
  const hub = await startWith(`
    if (role === 'follower') process.on('message', (message) => message === 'drain' && process.exit(70));`);
  await bothProcesses(hub);
  expect(await hub.end('SIGTERM')).toBe(1);
  expect(hub.log()).toMatch(/"code":70,.*ended with an error while the hub stops/);
});

test('a process that the system refuses to start is started later', async () => {
  const hub = await startWith('');
  const [, follower] = await bothProcesses(hub);
  const limit = softLimitOf(hub.pid);
  execFileSync('prlimit', ['--pid', String(hub.pid), '--nofile=3:']);
  process.kill(follower.pid, 'SIGKILL');
  await until('a start has failed', () => hub.log().includes('process: start failed'));
  await publish(hub.url, { channel: 'a', data: 1 });
  execFileSync('prlimit', ['--pid', String(hub.pid), `--nofile=${limit}:`]);
  await until('the follower is there', async () => (await processesOf(hub.url)).length === 2);
  expect(await hub.end('SIGTERM')).toBe(0);
  expect(existsSync(`/proc/${hub.pid}`)).toBe(false);
});

/** The owner and the follower. An answer leaves out one that is busy for two seconds. */
async function bothProcesses({ url }: HubProcess): Promise<readonly [MemberProcess, MemberProcess]> {
  let members: readonly MemberProcess[] = [];
  await until('both processes are there', async () => (members = await processesOf(url)).length === 2);
  return members as [MemberProcess, MemberProcess];
}

function killIfRunning(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** `ulimit -Sn` of a process. */
function softLimitOf(pid: number): string {
  return /^Max open files\s+(\S+)/m.exec(readFileSync(`/proc/${pid}/limits`, 'utf8'))?.[1] as string;
}
