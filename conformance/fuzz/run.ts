import { parseArgs } from 'node:util';
import { FuzzHubs, ROUND } from './fuzz-hubs.ts';
import { regressionSeeds } from './seeds.ts';

/**
 * After these rounds code is compiled and lists have their size. The caches of requests are full
 * from the start.
 */
const ROUNDS_TO_JUDGE = 1000;
const GROWTH_MB_MAX = 3;
const ROUNDS_OF_SAMPLE = 20;

const USAGE = `Random pipelines, HTTP/2 connections and WebSocket sessions against hubs in processes of their own.

  node conformance/fuzz/run.ts [--seed 1] [--minutes 60] [--rounds 1000]

A round is ${ROUND.pipelines} pipelines, ${ROUND.http2} connections of HTTP/2 and ${ROUND.webSockets} WebSocket sessions. It ends with 1, and names the seed, when a hub
ends, does not answer, or logs an error. Such a seed belongs into conformance/fuzz/seeds.txt. It ends with 1 as well when, after
${ROUNDS_TO_JUDGE} rounds or more, the last quarter takes ${GROWTH_MB_MAX} MB more of live memory than the third did: medians, after collections.`;

const MB = 1024 * 1024;
const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    minutes: { type: 'string', default: '60' },
    rounds: { type: 'string', default: 'Infinity' },
    help: { type: 'boolean' },
  },
});
if (values.help === true) console.log(USAGE);
else await run();

async function run(): Promise<void> {
  const first = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed);
  const endMs = performance.now() + Number(values.minutes) * 60_000;
  const hubs = await FuzzHubs.open();
  /** In MB, one number per sample. */
  const grown: number[] = [];
  try {
    for (const seed of regressionSeeds()) await hubs.round(seed);
    await hubs.fill();
    const before = await hubs.liveBytes();
    for (let index = 0; index < Number(values.rounds) && performance.now() < endMs; index++) {
      await hubs.round(first + index);
      if (index % ROUNDS_OF_SAMPLE === ROUNDS_OF_SAMPLE - 1) grown.push(await report(hubs, first + index, before));
    }
    if (!isFlat(grown)) process.exitCode = 1;
  } catch (error) {
    console.error((error as Error).message);
    process.exitCode = 1;
  } finally {
    await hubs.close();
    // Connections that no hub answers any more are not awaited.
    process.exit();
  }
}

async function report(hubs: FuzzHubs, seed: number, before: number): Promise<number> {
  const { pipelines, http2, webSockets } = hubs.ran;
  const grown = ((await hubs.liveBytes()) - before) / MB;
  const sent = (hubs.bytesSent / MB).toFixed(1);
  console.log(
    `seed ${seed}: ${pipelines} pipelines, ${http2} HTTP/2, ${webSockets} WebSockets, ${sent} MB sent, ${grown.toFixed(1)} MB more in use`,
  );
  return grown;
}

function isFlat(grown: readonly number[]): boolean {
  if (grown.length * ROUNDS_OF_SAMPLE < ROUNDS_TO_JUDGE) return true;
  const quarter = Math.floor(grown.length / 4);
  const [third, last] = [median(grown.slice(-2 * quarter, -quarter)), median(grown.slice(-quarter))];
  const holds = last - third < GROWTH_MB_MAX;
  console.log(
    `${holds ? 'holds' : 'FAILS'}  ${last.toFixed(1)} MB more in use in the last quarter, ${third.toFixed(1)} MB in the third`,
  );
  return holds;
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[values.length >> 1] ?? 0;
}
