// A worker behind a firewall: it takes each opened issue from a queue,
// and says when its build is ready.
import { setTimeout as sleep } from 'node:timers/promises';
import { createPublisher } from '@polycast/client/server';
import { work } from '@polycast/client/work';

const { POLYCAST_URL = '', POLYCAST_KEY: key = '' } = process.env;
const publisher = createPublisher(POLYCAST_URL, { key });

/** The queue of this worker. It has a name, so that it is made once, however often this starts. */
const made = await fetch(`${POLYCAST_URL}/v1/subscriptions/builder`, {
  method: 'PUT',
  headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' },
  body: JSON.stringify({
    channels: ['inbox.github'],
    types: ['issues.opened'],
    delivery: { kind: 'pull', leaseSeconds: 2 },
  }),
});
if (!made.ok) throw new Error(await made.text());

work(
  POLYCAST_URL,
  'builder',
  async ({ id, data }) => {
    const { issue } = data as { issue: { number: number } };
    await sleep(50); // the build
    // The key makes the result of a build that ran twice one event.
    await publisher.publish(
      'builds',
      { issue: issue.number, state: 'green' },
      { type: 'build.done', idempotencyKey: `build ${id}` },
    );
  },
  { key },
);
