import type { LaneName } from './records.ts';

/** Who asks on a lane's wire: a webhook turns it round. */
export function requesterOf(lane: LaneName): 'browser' | 'hub' {
  return lane === 'webhook' ? 'hub' : 'browser';
}

export function responderOf(lane: LaneName): 'hub' | 'receiver' {
  return lane === 'webhook' ? 'receiver' : 'hub';
}
