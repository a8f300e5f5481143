// One private message to each of ten thousand connected users, compared with the same events on as
// many public channels.
import { deliveryColumns, nothingLost } from '../harness/fanout.ts';
import { type LoadOptions, runLoad } from '../harness/load.ts';
import { type Contender, ratioOf, runInterleaved, type Scenario } from '../harness/scenario.ts';
import { polycast } from '../peers/polycast.ts';
import { startHubWithUsers } from '../peers/polycast-with-users.ts';

const users = 10_000;
const rateRatioMin = 0.8;

const load = { subscribers: users, channels: users, publishers: 64, eventBytes: 128, warmUpEvents: users };

export const privateMessages: Scenario = {
  name: 'private-messages',
  title: 'A private message to each of 10,000 users, and an event on each of 10,000 public channels',
  run: async (options) => {
    const events = users * (options.quick ? 2 : 5);
    const contenders = [
      contender('public', 0, events, (hub) => ({ ...hub.subscribeOptions, ...hub.publishOptions })),
      contender('private', users, events, (hub) => ({
        ...hub.subscribeOptions,
        ...hub.publishOptions,
        subscribePath: '/v1/events?channel=@me',
        publishPath: '/v1/users/user-{c}/events',
        publishBody: '{"data":{e}}',
      })),
    ];
    const series = await runInterleaved(contenders, options);
    return {
      settings: { users, events, publishers: load.publishers, eventBytes: load.eventBytes },
      series,
      bars: [
        {
          title: 'private messages received per second, relative to events of public channels',
          figure: ratioOf(series, 'private', 'public', 'deliveriesPerSecond'),
          atLeast: rateRatioMin,
          unit: '×',
        },
        {
          title: 'server CPU of a private message, relative to a public event',
          figure: ratioOf(series, 'private', 'public', 'serverCpuMicrosecondsPerDelivery'),
          unit: '×',
        },
        nothingLost(series, 'private'),
      ],
      charts: [{ title: 'Received in a second', figure: 'deliveriesPerSecond', unit: '', better: 'more' }],
      columns: deliveryColumns,
    };
  },
};

function contender(
  name: string,
  withUsers: number,
  events: number,
  way: (hub: Awaited<ReturnType<typeof startHubWithUsers>>) => LoadOptions,
): Contender {
  return {
    name,
    peer: polycast,
    run: async () => {
      const hub = await startHubWithUsers(withUsers, false);
      try {
        const pids = hub.process.pids().join(',');
        return await runLoad('fanout', { port: hub.port, pids, transport: 'sse', ...way(hub), ...load, events });
      } finally {
        await hub.process.stop();
      }
    },
  };
}
