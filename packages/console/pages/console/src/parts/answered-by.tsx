import type { VNode } from 'preact';
import type { HubInCluster } from '../hub/session.ts';
import { href } from '../router.ts';
import { numberText } from './format.ts';

/**
 * Says which hub of a cluster an answer is about; nothing without a cluster.
 * A balancer may give the next request to another hub.
 * @param says the beginning of the sentence: `These numbers are those of`
 * @param other the hub of a second answer on the same page
 */
export function AnsweredBy({
  hub,
  other,
  says,
  otherSays = '',
}: {
  hub: HubInCluster | undefined;
  other?: HubInCluster | undefined;
  says: string;
  otherSays?: string;
}): VNode | null {
  if (hub === undefined) return null;
  return (
    <p class="answered-by">
      {says} {nameOf(hub)}, one of {numberText(hub.hubs)} of the cluster {hub.name}.{' '}
      {other !== undefined && other.hub !== hub.hub && `${otherSays} ${nameOf(other)}. `}
      <a href={href('cluster')}>Look at the cluster</a>
    </p>
  );
}

function nameOf({ hub, host }: HubInCluster): string {
  return `the hub ${hub} on ${host}`;
}
