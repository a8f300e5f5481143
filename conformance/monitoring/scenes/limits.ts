import { startHubProcess } from '../../kit/hub-process.ts';
import { publishAll } from '../../kit/http.ts';
import { rawSocket, type RawSocket } from '../../kit/wire/raw-socket.ts';
import { repeatUntilFired, type Scene } from './scene.ts';

const ALERTS = [
  'PolycastConnectionsNearLimit',
  'PolycastOpenFilesNearLimit',
  'PolycastBufferNearLimit',
  'PolycastReadersStall',
];
const MIB = 1024 * 1024;
/**
 * All events of the channel `big`. The kernel takes a part of them,
 * even if the client reads nothing.
 */
const BIG_EVENTS = 16;
const CONNECTIONS_MAX = 30;
const STALLED = 12;
const IDLE = 12;
/** A hub without connections with its data in memory has some 25 open files. */
const OPEN_FILES_MAX = 58;
const STREAM = 'Accept: text/event-stream\r\n';

/**
 * A hub with as many connections and open files as it may have, and with clients that do not read.
 */
export async function limitsScene(): Promise<Scene> {
  const hub = await startHubProcess({
    openFilesMax: OPEN_FILES_MAX,
    config: {
      limits: { connectionsMax: CONNECTIONS_MAX, answersBytesMax: 17 * MIB, bodyBytesMax: 20 * MIB },
      delivery: { stalledTimeoutMs: 3000, pollBytesMax: 32 * MIB },
      defaults: { eventBytesMax: 2 * MIB },
    },
  });
  const { url } = hub;
  return {
    name: 'limits',
    url,
    alerts: ALERTS,
    async provoke(hasFired) {
      const data = 'x'.repeat(MIB - 1000);
      await publishAll(
        url,
        Array.from({ length: BIG_EVENTS }, () => ({ channel: 'big', data })),
      );
      const open: RawSocket[] = [];
      const idle = async (): Promise<number> => open.push(await unread(url, 'channel=quiet', STREAM));
      for (let count = 0; count < IDLE; count++) await idle();
      await repeatUntilFired(ALERTS, hasFired, async () => {
        // The hub closes these after some seconds.
        const stalling = open.filter(({ closed }) => !closed).length <= IDLE;
        if (stalling) {
          for (let count = 0; count < STALLED; count++)
            open.push(await unread(url, 'channel=big&after=earliest', STREAM));
          // The second answer takes the room of the first: a refusal, long before the alerts fire.
          for (let count = 0; count < 2; count++)
            open.push(await unread(url, 'channel=big&after=earliest&limit=1000', ''));
        }
      });
      for (const socket of open) socket.destroy();
      await hub.end('SIGKILL');
    },
  };
}

/** A request whose answer is not read. */
async function unread(url: string, query: string, header: string): Promise<RawSocket> {
  const raw = await rawSocket(url);
  raw.socket.pause();
  raw.send(`GET /v1/events?${query} HTTP/1.1\r\nHost: localhost\r\n${header}\r\n`);
  return raw;
}
