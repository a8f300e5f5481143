import type { LaneName } from './records.ts';

/** The sender of requests on a lane's wire. For a webhook it is the hub. */
export function requesterOf(lane: LaneName): 'browser' | 'hub' {
  return lane === 'webhook' ? 'hub' : 'browser';
}

export function responderOf(lane: LaneName): 'hub' | 'receiver' {
  return lane === 'webhook' ? 'receiver' : 'hub';
}
