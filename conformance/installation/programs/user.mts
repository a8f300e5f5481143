// A program of a user, which the compiler checks against the installed client.
import { connect, PolycastError, type Connection, type Gap, type PolycastEvent } from '@polycast/client';
import { connect as connectInBrowser } from '@polycast/client/browser';
import { presence } from '@polycast/client/presence';
import { createPublisher, signToken } from '@polycast/client/server';
import { shareTabs } from '@polycast/client/tabs';
import { createReceiver, memorySeen } from '@polycast/client/webhooks';
import { RetryIn, work } from '@polycast/client/work';

const connection: Connection = connect('https://hub.example', {
  share: shareTabs('ann'),
  getToken: async ({ reason }) => (reason === 'first' ? 'a token' : undefined),
});
connection.on('gap', ({ gap }: { gap: Gap }) => console.log(gap.reason));
connection.subscribe('orders.>', (event: PolycastEvent) => console.log(event.channel, event.id));
for await (const { members } of presence(connection, 'room')) console.log(members.map(({ user }) => user));
try {
  const { id }: { id: string } = await connection.publish('orders.42', { state: 'baked' });
  console.log(id.length);
} catch (error) {
  if (error instanceof PolycastError) console.log(error.code === 'forbidden');
}
// @ts-expect-error A channel is a string, or several.
connection.subscribe(42);
// @ts-expect-error There is no such transport.
connectInBrowser('/', { transports: ['pigeon'] });

const token: string = signToken({ user: '42' }, { secret: 'x'.repeat(32) });
await createPublisher('https://hub.example', { key: token }).publish('news', 1);
const receiver = createReceiver({ secrets: 'whsec_…', seen: memorySeen() }, ({ data }) => console.log(data));
export const answer: Promise<Response> = receiver.fetch(new Request('https://shop.example'));
export const worker = work('https://hub.example', 'sub_1', (_event, { delivery }) => {
  if (delivery > 1) throw new RetryIn(60);
});
