// A backend and its users, with nothing but the installed packages. It prints one line of JSON for
// each thing that happens: `node shop.mjs http://127.0.0.1:7400 whsec_…`.
import { createServer } from 'node:http';
import { connect } from '@polycast/client';
import { createPublisher } from '@polycast/client/server';
import { createReceiver, memorySeen } from '@polycast/client/webhooks';

const [url, secrets] = process.argv.slice(2);
const print = (line) => console.log(JSON.stringify(line));

const receiver = createReceiver({ secrets, seen: memorySeen() }, ({ channel, data }) =>
  print({ webhook: channel, data }),
);
const endpoint = createServer(receiver.node).listen(0, '127.0.0.1', () => print({ port: endpoint.address().port }));

const publisher = createPublisher(url, { key: 'a hub in development accepts any' });
for (const transport of ['websocket', 'sse', 'long-poll', 'short-poll']) {
  const connection = connect(url, { transports: [transport], pollIntervalMs: 100 });
  const received = Promise.withResolvers();
  await connection.subscribe(`read.${transport}`, received.resolve).joined;
  await publisher.publish(`read.${transport}`, { over: transport });
  const { data } = await received.promise;
  print({ transport: connection.state.transport, data });
  connection.close();
}
