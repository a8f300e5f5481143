import createClient from 'openapi-fetch';
import type { components, paths } from './polycast.ts';

// Uses a hub with the types of openapi-typescript: URL KEY. Prints the results. Each line that must
// not compile is marked.
declare const process: { readonly argv: readonly string[] };
const [baseUrl = '', key = ''] = process.argv.slice(2);
const client = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${key}` } });

function needed<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new Error('refused');
  return value;
}

const channel: components['schemas']['Channel'] = 'typed.1';
const published = await client.POST('/v1/events', { body: { channel, data: { text: 'é' }, type: 'thing.made' } });
const one = needed(published.data);
const id = typeof one === 'object' && 'id' in one ? one.id : '';
await client.POST('/v1/events', { body: [1, 2].map((data) => ({ channel, data })) });

const poll = await client.GET('/v1/events', {
  params: { query: { channel: ['typed.*'], after: 'earliest', limit: 2 } },
});
const { events, cursor } = needed(poll.data) as components['schemas']['Poll'];
console.log(events[0]?.id === id, events.length, cursor.length);

const refused = await client.GET('/v1/channels/{channel}/history', { params: { path: { channel: '!' } } });
console.log(refused.error?.status, refused.error?.code);

const subscription = await client.POST('/v1/subscriptions', {
  body: { channels: ['typed.>'], delivery: { kind: 'pull', leaseSeconds: 60 } },
});
const { delivery, state } = needed(subscription.data);
if (delivery.kind === 'pull') console.log(state, delivery.leaseSeconds);

export const wrong = [
  // @ts-expect-error: no such path
  () => client.GET('/v1/nothing'),
  // @ts-expect-error: an event has a channel
  () => client.POST('/v1/events', { body: { data: 1 } }),
  // @ts-expect-error: no such kind
  () => client.POST('/v1/subscriptions', { body: { channels: ['a'], delivery: { kind: 'push' } } }),
  // @ts-expect-error: a webhook has an address
  () => client.POST('/v1/subscriptions', { body: { channels: ['a'], delivery: { kind: 'webhook' } } }),
];
