import type { LaneName } from './records.ts';

/** Who asks on a lane's wire: a webhook turns it round. */
export function askerOf(lane: LaneName): 'browser' | 'hub' {
  return lane === 'webhook' ? 'hub' : 'browser';
}

export function answererOf(lane: LaneName): 'hub' | 'receiver' {
  return lane === 'webhook' ? 'receiver' : 'hub';
}
