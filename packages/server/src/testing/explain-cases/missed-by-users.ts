import { encodeCursor, parseCursor } from '@polycast/protocol';
import { expect } from 'vitest';
import { publishAs } from '../authenticated-hub.ts';
import { waitUntil } from '../subscription-hub.ts';
import { endSessions, pollAs, readUntilBehind, type ExplainCase } from './explain-case.ts';

/** The ways in which an event misses a user, or a reader of a channel. */
export const MISSED_BY_USERS: readonly ExplainCase[] = [
  {
    name: 'never published: no event has this id',
    async arrange({ publish }) {
      const { epoch, position } = parseCursor(await publish('chat.1', 1)) ?? { epoch: '', position: 0 };
      return { event: encodeCursor(epoch, position + 1000), reader: { user: 'ann' } };
    },
    outcome: 'missed',
    reason: 'no_such_event',
    sentence: /never published to this hub/,
  },
  {
    name: 'published to the wrong channel: the user reads another one',
    async arrange({ hub, publish }) {
      await (await hub.follow('channel=chat.wrong', hub.token('una'))).waitForText('polycast.ready');
      return { event: await publish('chat.wrogn', 1), reader: { user: 'una' } };
    },
    outcome: 'missed',
    reason: 'other_channel',
    sentence: /published to chat\.wrogn, which una does not read; una reads chat\.wrong/,
  },
  {
    name: 'published to a sibling channel',
    async arrange({ publish }) {
      return { event: await publish('chat.43', 1), reader: { channel: 'chat.42' } };
    },
    outcome: 'missed',
    reason: 'other_channel',
    sentence: /published to chat\.43, not to chat\.42/,
  },
  {
    name: 'not allowed by a rule',
    async arrange({ hub, publish }) {
      await (await hub.follow('channel=chat.2', hub.token('bea'))).waitForText('polycast.ready');
      return { event: await publish('staff.news', 1), reader: { user: 'bea' } };
    },
    outcome: 'missed',
    reason: 'not_allowed',
    sentence: /bea may not read staff\.news/,
  },
  {
    name: 'allowed only since',
    async arrange({ hub, publish }) {
      const refused = await hub.follow('channel=staff.rota', hub.token('cara'));
      expect(refused.status).toBe(403);
      const event = await publish('staff.rota', 1);
      const stream = await hub.follow('channel=staff.rota', hub.token('cara', 3600, { role: 'staff' }));
      await stream.waitForText('polycast.ready');
      return { event, reader: { user: 'cara' } };
    },
    outcome: 'missed',
    reason: 'allowed_since',
    sentence: /only since the event: the hub refused it at/,
  },
  {
    name: 'filtered by type',
    async arrange({ hub, publish }) {
      await (await hub.follow('channel=chat.3&type=paid', hub.token('dora'))).waitForText('polycast.ready');
      return { event: await publish('chat.3', 1, 'sent'), reader: { user: 'dora' } };
    },
    outcome: 'missed',
    reason: 'filtered_by_type',
    sentence: /only events of the types paid; the event has the type sent/,
  },
  {
    name: 'excluded as own',
    async arrange({ hub }) {
      const token = hub.token('eva');
      const socket = hub.socket(`channel=chat.5&client=tab-1&exclude=self&token=${token}`);
      await socket.waitForMessage({ op: 'ready' });
      const answer = await publishAs(hub, '/v1/events?client=tab-1', { channel: 'chat.5', data: 1 }, token);
      const { id } = (await answer.json()) as { id: string };
      return { event: id, reader: { user: 'eva' } };
    },
    outcome: 'missed',
    reason: 'own_event',
    sentence: /published the event with the same client \(tab-1\)/,
  },
  {
    name: 'removed by retention before the user came back',
    async arrange({ hub, publish }) {
      const stream = await hub.follow('channel=short.6', hub.token('fay'));
      await stream.waitForText('polycast.ready');
      const cursor = /"cursor":"([^"]+)"/.exec(stream.text)?.[1] as string;
      await endSessions(hub, 'fay');
      const event = await publish('short.6', 1);
      // The tail has an event for ten seconds more, which the clock of the test makes short.
      await waitUntil(async () => {
        await publish('short.6', 2);
        const back = await fetch(`${hub.url}/v1/events?channel=short.6&after=${cursor}`, {
          headers: { Authorization: `Bearer ${hub.token('fay')}` },
        });
        expect(JSON.stringify(await back.json())).toContain('"reason":"retention"');
      });
      return { event, reader: { user: 'fay', channel: 'short.6' } };
    },
    outcome: 'missed',
    reason: 'retention',
    sentence: /no longer stored/,
  },
  {
    name: 'the user is away',
    async arrange({ hub, publish }) {
      await (await hub.follow('channel=chat.7', hub.token('gwen'))).waitForText('polycast.ready');
      await endSessions(hub, 'gwen');
      return { event: await publish('chat.7', 1), reader: { user: 'gwen' } };
    },
    outcome: 'pending',
    reason: 'user_away',
    sentence: /last session ended at .*, before the event; there has been none since\. The event is kept until /,
  },
  {
    name: 'the user came back with a later cursor',
    async arrange({ hub, publish }) {
      await (await hub.follow('channel=chat.8', hub.token('hana'))).waitForText('polycast.ready');
      await endSessions(hub, 'hana');
      const event = await publish('chat.8', 1);
      await (await hub.follow('channel=chat.8', hub.token('hana'))).waitForText('polycast.ready');
      return { event, reader: { user: 'hana' } };
    },
    outcome: 'missed',
    reason: 'skipped',
    sentence: /came back at .* with a later cursor/,
  },
  {
    name: 'passed over by a user who polls without a cursor',
    async arrange({ hub, publish }) {
      const poll = pollAs(hub, 'lea');
      await poll('channel=chat.19');
      const event = await publish('chat.19', 1);
      await poll('channel=chat.19');
      return { event, reader: { user: 'lea' } };
    },
    outcome: 'missed',
    reason: 'skipped',
    sentence: /lea polls without the cursor of the last answer/,
  },
  {
    name: 'a session takes no bytes, and ends as stalled',
    async arrange(world) {
      const event = await readUntilBehind(world, 'nora', 'chat.21');
      await waitUntil(async () => expect((await world.api(event, { user: 'nora' })).reason).toBe('stalled'));
      return { event, reader: { user: 'nora' } };
    },
    outcome: 'pending',
    reason: 'stalled',
    sentence: /\(it took no bytes for too long\) before the event was written; there has been none since/,
  },
];
