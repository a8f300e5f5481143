import { createPublisher } from '@polycast/client/server';
import { RetryIn, work } from '@polycast/client/work';

/**
 * A worker posts to one network at a time. There are several; a killed one's job is for another.
 */
const { INSTANCE, POLYCAST_URL = '', POLYCAST_KEY = '', POSTS_URL, NETWORKS_URL } = process.env;
const LEASE_SECONDS = 2;
const TIMEOUT_MS = 5000;

interface Post {
  readonly post: string;
  readonly network: string;
  readonly text: string;
}

const hub = createPublisher(POLYCAST_URL, { key: POLYCAST_KEY });
const { queue } = (await (await fetch(`${POSTS_URL}/queue`)).json()) as { queue: string };

const worker = work(
  POLYCAST_URL,
  queue,
  async ({ id, data }, { delivery, signal }) => {
    const { post, network, text } = data as Post;
    const say = (state: string, reason?: string): Promise<unknown> =>
      hub.publish(`posts.${post}`, { network, state, attempt: delivery, worker: INSTANCE, reason });

    await say('in progress');
    const answer = await fetch(`${NETWORKS_URL}/api/networks/${network}/posts`, {
      method: 'POST',
      // The same key in every attempt of every worker: the network posts once.
      headers: { 'Content-Type': 'application/json', 'Idempotency-Key': id },
      body: JSON.stringify({ text }),
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    });
    if (answer.status === 429) throw new RetryIn(Number(answer.headers.get('Retry-After')));
    if (answer.status >= 500) throw new Error(`${network} answered ${answer.status}`);
    if (answer.ok) await say('done');
    // Another attempt would be refused too.
    else await say('failed', ((await answer.json()) as { error: string }).error);
  },
  { key: POLYCAST_KEY, concurrency: 2, leaseSeconds: LEASE_SECONDS },
);

process.once('SIGTERM', () => void worker.stop(1000));
