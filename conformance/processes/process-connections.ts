import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import * as http from 'node:http';
import * as https from 'node:https';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { call, type Call, type Reply } from '../kit/http.ts';
import type { HubProcess } from '../kit/hub-process.ts';
import { pause } from '../kit/wait.ts';

/** A process of a hub, as `GET /v1/status` names it. */
export interface MemberProcess {
  readonly pid: number;
  readonly role: 'owner' | 'follower';
}

/** The processes of a hub, the owner first; empty while they cannot be asked. */
export async function processesOf(url: string, headers: Call['headers'] = {}): Promise<readonly MemberProcess[]> {
  const reply = await call(`${url}/v1/status`, { headers, timeoutMs: 5000 }).catch(() => undefined);
  if (reply?.status !== 200) return [];
  return reply.json<{ processes: readonly MemberProcess[] }>().processes;
}

/**
 * Opens a connection that this process of the hub has accepted. The kernel chooses the process of
 * a connection, so it opens connections until the right process has one.
 */
export async function connectTo({ port }: Pick<HubProcess, 'port'>, pid: number): Promise<Socket> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    // A process that is killed resets its connections, also those that nobody uses.
    socket.on('error', () => socket.destroy());
    if (await isHeldBy(pid, port, socket.localPort as number)) return socket;
    socket.destroy();
  }
  throw new Error(`No connection reached the process ${pid}`);
}

/** Sends a request to this process of the hub. */
export async function callAt(
  hub: Pick<HubProcess, 'port' | 'url'>,
  pid: number,
  path: string,
  options: Call = {},
): Promise<Reply> {
  const socket = await connectTo(hub, pid);
  const isEncrypted = hub.url.startsWith('https:');
  const agent = new (isEncrypted ? https : http).Agent({ keepAlive: true, maxSockets: 1 });
  agent.createConnection = () => (isEncrypted ? connectTls({ socket, rejectUnauthorized: false }) : socket);
  try {
    return await call(hub.url + path, { ...options, agent });
  } finally {
    agent.destroy();
    socket.destroy();
  }
}

/**
 * Whether a process has the server's end of a connection.
 * The end has no owner until it is accepted.
 */
async function isHeldBy(pid: number, port: number, clientPort: number): Promise<boolean> {
  for (let waits = 0; waits < 100; waits++) {
    const inode = inodeOf(port, clientPort);
    if (inode !== undefined && inode !== '0') return holds(pid, `socket:[${inode}]`);
    await pause(2);
  }
  return false;
}

function inodeOf(localPort: number, remotePort: number): string | undefined {
  const local = `:${hexPort(localPort)}`;
  const remote = `:${hexPort(remotePort)}`;
  for (const line of readFileSync('/proc/net/tcp', 'utf8').split('\n')) {
    const fields = line.trim().split(/\s+/);
    if (fields[1]?.endsWith(local) === true && fields[2]?.endsWith(remote) === true) return fields[9];
  }
  return undefined;
}

function hexPort(port: number): string {
  return port.toString(16).toUpperCase().padStart(4, '0');
}

function holds(pid: number, socket: string): boolean {
  return readdirSync(`/proc/${pid}/fd`).some((descriptor) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${descriptor}`) === socket;
    } catch {
      return false;
    }
  });
}
