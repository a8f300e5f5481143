import { createPublisher } from '@polycast/client/server';
import { SYMBOLS, type Score } from './market.ts';

/** The exchange: it publishes every price, whether anyone follows it or not. */
const { POLYCAST_URL, POLYCAST_KEY, UPDATES_PER_SECOND = '20000' } = process.env;
const STEP_MS = 50;
const HEADLINES = ['raises its forecast', 'opens a plant', 'changes its chief', 'buys a rival', 'recalls a product'];

// A repeated price does no harm, so 20,000 keys a second against doubles would be wasted.
const hub = createPublisher(POLYCAST_URL as string, {
  key: POLYCAST_KEY as string,
  idempotent: false,
  timeoutMs: 2000,
});
const opening = SYMBOLS.map((_, index) => 20 + ((index * 37) % 400));
const prices = [...opening];
const scores: Score[] = [
  { teams: ['Harbour', 'United'], goals: [0, 0], minute: 1 },
  { teams: ['Rovers', 'Albion'], goals: [1, 0], minute: 30 },
  { teams: ['Rangers', 'City'], goals: [2, 2], minute: 71 },
];
let published = 0;
let sinceMs = performance.now();
let next = 0;

void publishPrices();
setInterval(publishNews, 3000);
setInterval(publishScores, 2000);
setInterval(() => {
  const nowMs = performance.now();
  console.log(`${Math.round((published * 1000) / (nowMs - sinceMs))} updates/s`);
  [published, sinceMs] = [0, nowMs];
}, 1000);

async function publishPrices(): Promise<void> {
  let dueMs = performance.now();
  for (;;) {
    const count = (Number(UPDATES_PER_SECOND) * STEP_MS) / 1000;
    const events = Array.from({ length: count }, () => priceEvent(next++ % SYMBOLS.length));
    await hub.publishMany(events).then(
      ({ length }) => (published += length),
      () => {},
    );
    // An exchange that falls behind leaves steps out.
    dueMs = Math.max(dueMs + STEP_MS, performance.now() - STEP_MS);
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, dueMs - performance.now())));
  }
}

function priceEvent(index: number): { readonly channel: string; readonly data: object } {
  const opened = opening[index] as number;
  const price = Math.max(1, (prices[index] as number) * (1 + (Math.random() - 0.5) / 200));
  prices[index] = price;
  const data = { price: round(price), change: round((100 * (price - opened)) / opened), atMs: Date.now() };
  return { channel: `price.${SYMBOLS[index]}`, data };
}

function publishNews(): void {
  const symbol = SYMBOLS[Math.floor(Math.random() * SYMBOLS.length)];
  const headline = HEADLINES[Math.floor(Math.random() * HEADLINES.length)];
  hub.publish('news', `${symbol} ${headline}`).catch(() => {});
}

function publishScores(): void {
  for (const [index, { teams, goals, minute }] of scores.entries()) {
    const scored = goals.map((count) => count + (Math.random() < 0.05 ? 1 : 0)) as [number, number];
    scores[index] = minute >= 90 ? { teams, goals: [0, 0], minute: 1 } : { teams, goals: scored, minute: minute + 1 };
    hub.publish(`score.${index}`, scores[index]).catch(() => {});
  }
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
