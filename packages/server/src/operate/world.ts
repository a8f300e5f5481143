import { randomBytes } from 'node:crypto';
import type { Clock, Random } from '../core/ports.ts';

export const systemClock: Clock = {
  nowMs: Date.now,
  monotonicMs: () => performance.now(),
};

export const systemRandom: Random = {
  fraction: Math.random,
  token: () => randomBytes(12).toString('base64url'),
};
