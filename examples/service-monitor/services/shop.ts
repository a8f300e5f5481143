import { Agent, createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { CircuitBreaker, type Outcome } from './breaker.ts';
import { report } from './calls.ts';

/** One of the five services. Each answers after it has called the services it depends on. */
const { PORT, NAME = '', CALLS = '' } = process.env;
const TIMEOUT_MS = 250;
const agent = new Agent({ keepAlive: true, maxSockets: 64 });
const dependencies = CALLS.split(',')
  .filter(Boolean)
  .map((name) => ({
    circuit: `${NAME} → ${name}`,
    url: process.env[`${name.toUpperCase()}_URL`] as string,
    breaker: new CircuitBreaker(),
  }));

/** Injected by the page: `{"errorShare":0.6,"delayMs":100}`. */
let faults = { errorShare: 0, delayMs: 0 };

createServer((incoming, response) => {
  answer(incoming, response).catch(() => response.writeHead(400).end());
}).listen(Number(PORT), '127.0.0.1');

async function answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  if (incoming.url?.startsWith('/faults/')) {
    if (incoming.method === 'POST') faults = { ...faults, ...JSON.parse((await incoming.toArray()).join('')) };
    return void response.end(JSON.stringify(faults));
  }
  const startMs = performance.now();
  const outcomes = await Promise.all(dependencies.map(call));
  if (faults.delayMs > 0) await pause(faults.delayMs * (0.5 + Math.random()));
  const hasFailed = Math.random() < faults.errorShare;
  report({ circuit: NAME, outcome: hasFailed ? 'failed' : 'ok', ms: performance.now() - startMs });
  // A dependency that fails makes the answer poorer, and not an error.
  response
    .writeHead(hasFailed ? 500 : 200)
    .end(JSON.stringify({ degraded: outcomes.some((outcome) => outcome !== 'ok') }));
}

async function call({ circuit, url, breaker }: (typeof dependencies)[number]): Promise<Outcome> {
  const startMs = performance.now();
  let outcome: Outcome = 'rejected';
  if (breaker.admits(startMs)) {
    outcome = await send(url);
    breaker.record(outcome !== 'ok', performance.now());
  }
  report({ circuit, outcome, ms: performance.now() - startMs, state: breaker.state });
  return outcome;
}

function send(url: string): Promise<Outcome> {
  return new Promise((resolve) => {
    const sent = request(url, { agent, timeout: TIMEOUT_MS }, (answer) => {
      answer.resume().on('end', () => resolve(answer.statusCode === 200 ? 'ok' : 'failed'));
      // Without an end: the service was killed in the middle of its answer.
      answer.on('close', () => resolve('failed'));
    });
    sent.on('timeout', () => {
      resolve('timeout');
      sent.destroy();
    });
    sent.on('error', () => resolve('failed')).end();
  });
}
