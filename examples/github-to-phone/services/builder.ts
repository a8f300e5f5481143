// A worker behind a firewall: it takes each opened issue from a queue, and says when its build is ready.
import { setTimeout as sleep } from 'node:timers/promises';
import { createPublisher } from '@polycast/client/server';
import { work } from '@polycast/client/work';

const { POLYCAST_URL = '', POLYCAST_KEY: key = '' } = process.env;
const publisher = createPublisher(POLYCAST_URL, { key });

/** The subscription of this worker; made at the first start. */
async function findQueue(): Promise<string> {
  const headers = { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' };
  const subscriptions = `${POLYCAST_URL}/v1/subscriptions`;
  const known = (await (await fetch(subscriptions, { headers })).json()) as {
    subscriptions: { id: string; description: string }[];
  };
  const found = known.subscriptions.find(({ description }) => description === 'builder');
  if (found !== undefined) return found.id;
  const delivery = { kind: 'pull', leaseSeconds: 2 };
  const body = JSON.stringify({
    channels: ['inbox.github'],
    types: ['issues.opened'],
    description: 'builder',
    delivery,
  });
  const made = (await (await fetch(subscriptions, { method: 'POST', headers, body })).json()) as { id: string };
  return made.id;
}

work(
  POLYCAST_URL,
  await findQueue(),
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
