// 2,500 readers of one channel, and 240 events as fast as 64 connections of publishers are
// answered.
import { deliveryColumns, fanoutContenders, nothingLost } from '../harness/fanout.ts';
import { type Outcome, ratioOf, type RunOptions, runInterleaved, type Scenario } from '../harness/scenario.ts';
import { centrifugo } from '../peers/centrifugo.ts';
import { mercure } from '../peers/mercure.ts';
import { nchan } from '../peers/nchan.ts';
import { nodeHttp } from '../peers/node-http.ts';
import type { Transport } from '../peers/peer.ts';
import { polycast } from '../peers/polycast.ts';
import { socketIo } from '../peers/socket-io.ts';
import { wsFanout } from '../peers/ws-fanout.ts';

const readers = 2_500;
const events = 240;
const publishers = 64;
const eventBytes = 128;

// A server with a just-in-time compiler is slow at first, so each one handles some events before
// the measurement.
const warmUpEvents = 120;

async function burst(transport: Transport, atLeast: number, options: RunOptions): Promise<Outcome> {
  const peers = [polycast, nchan, nodeHttp, wsFanout, socketIo, centrifugo, mercure];
  const load = { subscribers: readers, events, publishers, eventBytes, warmUpEvents };
  const series = await runInterleaved(fanoutContenders(peers, transport, load), options);
  return {
    settings: { readers, events, publishers, eventBytes, warmUpEvents, transport },
    series,
    bars: [
      {
        title: 'deliveries/s, relative to nchan',
        figure: ratioOf(series, 'polycast', 'nchan', 'deliveriesPerSecond'),
        atLeast,
        unit: '×',
      },
      nothingLost(series, 'polycast'),
    ],
    charts: [{ title: 'Burst: deliveries a second', figure: 'deliveriesPerSecond', unit: '/s', better: 'more' }],
    columns: deliveryColumns,
  };
}

export const burstSse: Scenario = {
  name: 'burst-sse',
  title: 'Burst of 240 events to 2,500 SSE readers',
  run: (options) => burst('sse', 6, options),
};

export const burstWebSocket: Scenario = {
  name: 'burst-websocket',
  title: 'Burst of 240 events to 2,500 WebSocket readers',
  run: (options) => burst('websocket', 5, options),
};
