import { randomBytes } from 'node:crypto';
import type { Clock, Random } from '../core/ports.ts';

/** Time and chance as a hub sees them. */
export interface World {
  readonly clock: Clock;
  readonly random: Random;
  /** How many times faster than on the wall time passes here. */
  readonly speed: number;
}

export const systemWorld: World = {
  clock: { nowMs: Date.now, monotonicMs: () => performance.now() },
  random: { fraction: Math.random, token: () => randomBytes(12).toString('base64url') },
  speed: 1,
};

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
