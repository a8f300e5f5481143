// node undici-webhooks.ts PORT COUNT CONCURRENCY EVENT_BYTES: posts signed bodies of a webhook's
// form with undici as fast as they are answered. It has no log, no state and no retries. It begins
// when the endpoint listens.
import { createHmac, randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';

const [port = '', count = '', concurrency = '', eventBytes = ''] = process.argv.slice(2);
const secret = randomBytes(32);
const pool = new Pool(`http://127.0.0.1:${port}`, { connections: Number(concurrency), pipelining: 1 });

while (!(await listens())) await sleep(10);
let next = 0;
await Promise.all(Array.from({ length: Number(concurrency) }, postInTurn));
await pool.close();

async function postInTurn(): Promise<void> {
  while (next < Number(count)) {
    const number = next++;
    const id = `0123456789-${number}`;
    const body = bodyOf(id, number);
    const timestamp = String(Math.floor(Date.now() / 1000));
    const signature = createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`).digest('base64');
    const answer = await pool.request({
      method: 'POST',
      path: '/well',
      headers: {
        'content-type': 'application/json',
        'user-agent': 'polycast-bench',
        'webhook-id': id,
        'webhook-timestamp': timestamp,
        'webhook-signature': `v1,${signature}`,
      },
      body,
    });
    await answer.body.dump();
    if (answer.statusCode !== 204) throw new Error(`it was answered ${answer.statusCode}`);
  }
}

/** As long as an event of the hub with this many bytes of data. */
function bodyOf(id: string, number: number): string {
  const mark = String(number).padStart(16, '0');
  const filling = 'x'.repeat(Math.max(0, Number(eventBytes) - 34));
  return `{"id":"${id}","channel":"stream.0","time":"2026-01-01T00:00:00.000Z","data":{"t":"~T${mark}","p":"${filling}"}}`;
}

function listens(): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(Number(port), '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
