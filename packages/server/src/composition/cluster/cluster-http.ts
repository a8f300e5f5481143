import type { Log } from '../../core/ports.ts';
import type { HttpFrontend, RequestHandlers } from '../../http/http-frontend.ts';
import type { ClusterSubscriptions } from '../../storage/cluster/subscriptions/cluster-subscriptions.ts';
import type { OpenPulls } from '../../streams/socket-pulls.ts';
import type { HubBase } from '../base.ts';
import { reachingHandlers } from './reach-cursors.ts';
import { clusterHandlers } from './cluster-handlers.ts';
import { PullHost, type PullHostParts } from './pull-host.ts';
import { clusterPulls, HubPullLink } from './pull-link.ts';
import { SubscriptionForwarder } from './subscription-routes.ts';

/** What a cluster adds to the HTTP of a hub. */
export interface ClusterHttp {
  /** The pulls of WebSockets, also while another hub works on subscriptions. */
  pulls(openOwn: OpenPulls): OpenPulls;
  handlers(own: RequestHandlers): RequestHandlers;
  /** Answers what other hubs forward. */
  serve(frontend: Pick<HttpFrontend, 'answerForwarded'>): void;
}

/** The owner alone forwards to other hubs, and answers them. A follower forwards to the owner. */
export function followerHttp(log: Log): ClusterHttp {
  return { pulls: (openOwn) => openOwn, handlers: (own) => reachingHandlers(own, log), serve: () => undefined };
}

export function clusterHttp(
  { logger, shutdown }: Pick<HubBase, 'logger' | 'shutdown'>,
  log: Log,
  subscriptions: ClusterSubscriptions,
  keyPrincipal: PullHostParts['keyPrincipal'],
): ClusterHttp {
  const forwarder = new SubscriptionForwarder(subscriptions, log);
  let host: PullHost | undefined;
  return {
    pulls(openPulls) {
      host = new PullHost({ subscriptions, log, openPulls, keyPrincipal, logger }, shutdown);
      return clusterPulls(new HubPullLink(subscriptions, logger, shutdown), openPulls);
    },
    handlers: (own) => clusterHandlers(own, log, forwarder),
    serve: ({ answerForwarded }) => forwarder.serve(answerForwarded, host, shutdown),
  };
}
