import { randomFillSync } from 'node:crypto';
import type { Clock, Random } from '../core/ports.ts';

/** The time and randomness of a hub. */
export interface World {
  readonly clock: Clock;
  readonly random: Random;
  /** The hub's time per real time: at 2, a minute of the hub takes 30 s. */
  readonly speed: number;
}

export const systemWorld: World = {
  clock: { nowMs: Date.now, monotonicMs: () => performance.now() },
  random: { fraction: Math.random, token: randomToken },
  speed: 1,
};

const TOKEN_BYTES = 12;
/**
 * A call of the operating system's random source costs as much for a few bytes as for some hundred.
 */
const randomPool = Buffer.allocUnsafeSlow(TOKEN_BYTES * 256);
let usedBytes = randomPool.length;

function randomToken(): string {
  if (usedBytes === randomPool.length) {
    randomFillSync(randomPool);
    usedBytes = 0;
  }
  return randomPool.toString('base64url', usedBytes, (usedBytes += TOKEN_BYTES));
}

/** A world in which time passes faster. */
export function fastWorld(speed: number): World {
  const startWallMs = Date.now();
  const startMs = performance.now();
  const elapsedMs = (): number => (performance.now() - startMs) * speed;
  return {
    ...systemWorld,
    clock: { nowMs: () => Math.floor(startWallMs + elapsedMs()), monotonicMs: elapsedMs },
    speed,
  };
}
