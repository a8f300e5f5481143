import { endSessions, pollAs, type ExplainCase } from './explain-case.ts';
import { MISSED_BY_USERS } from './missed-by-users.ts';
import { SUBSCRIPTION_CASES } from './subscription-cases.ts';

/** The ways in which an event reaches a user. */
const DELIVERED_TO_USERS: readonly ExplainCase[] = [
  {
    name: 'delivered at once: here is when',
    async arrange({ hub, publish }) {
      const stream = await hub.follow('channel=chat.16', hub.token('ida'));
      await stream.waitForText('polycast.ready');
      const event = await publish('chat.16', 'hello');
      await stream.waitForText('hello');
      return { event, reader: { user: 'ida' } };
    },
    outcome: 'delivered',
    reason: 'delivered',
    sentence:
      /The event was delivered: session \S+ \(sse\) of ida was open, and the event was handed to the network at /,
  },
  {
    name: 'delivered later, when the user came back with an earlier cursor',
    async arrange({ hub, publish }) {
      const stream = await hub.follow('channel=chat.17', hub.token('jo'));
      await stream.waitForText('polycast.ready');
      const cursor = /"cursor":"([^"]+)"/.exec(stream.text)?.[1] as string;
      await endSessions(hub, 'jo');
      const event = await publish('chat.17', 'hello');
      await (await hub.follow(`channel=chat.17&after=${cursor}`, hub.token('jo'))).waitForText('hello');
      return { event, reader: { user: 'jo' } };
    },
    outcome: 'delivered',
    reason: 'delivered_later',
    sentence: /jo was away at .*, came back at .* \(sse\) with an earlier cursor, and got it then/,
  },
  {
    name: 'delivered to a user who polls',
    async arrange({ hub, publish }) {
      const poll = pollAs(hub, 'kim');
      const cursor = await poll('channel=chat.18');
      const event = await publish('chat.18', 1);
      await poll(`channel=chat.18&after=${cursor}`);
      return { event, reader: { user: 'kim' } };
    },
    outcome: 'delivered',
    reason: 'delivered',
    sentence: /session \S+ \(short-poll\) of kim was open/,
  },
  {
    name: 'delivered to a WebSocket that subscribed after its opening',
    async arrange({ hub, publish }) {
      const socket = hub.socket(`token=${hub.token('mia')}`);
      await socket.request({ op: 'subscribe', channels: ['chat.20'] });
      const event = await publish('chat.20', 'hello');
      await socket.waitForMessage({ channel: 'chat.20' });
      await socket.request({ op: 'unsubscribe', channels: ['chat.20'] });
      return { event, reader: { user: 'mia' } };
    },
    outcome: 'delivered',
    reason: 'delivered',
    sentence: /\(websocket\) of mia was open/,
  },
];

/**
 * The ways in which an event misses its reader, or reaches it. Each is asked by the API, by the
 * command line (`cli/commands/operate/why.test.ts`), and on the console's page
 * (`packages/console/browser/console-why.slow.test.ts`).
 */
export const EXPLAIN_CASES: readonly ExplainCase[] = [...MISSED_BY_USERS, ...SUBSCRIPTION_CASES, ...DELIVERED_TO_USERS];
