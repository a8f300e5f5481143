import type { Log } from '../../core/ports.ts';
import type { HttpFrontend, RequestHandlers } from '../../http/http-frontend.ts';
import type { ClusterSubscriptions } from '../../storage/cluster/subscriptions/cluster-subscriptions.ts';
import type { Shutdown } from '../shutdown.ts';
import { clusterHandlers } from './cluster-handlers.ts';
import { SubscriptionForwarder } from './subscription-routes.ts';

/** What a cluster adds to the HTTP of a hub. */
export interface ClusterHttp {
  handlers(own: RequestHandlers): RequestHandlers;
  /** Answers what other hubs forward. */
  serve(frontend: Pick<HttpFrontend, 'answerForwarded'>, shutdown: Shutdown): void;
}

export function clusterHttp(log: Log, subscriptions: ClusterSubscriptions): ClusterHttp {
  const forwarder = new SubscriptionForwarder(subscriptions, log);
  return {
    handlers: (own) => clusterHandlers(own, log, forwarder),
    serve: ({ answerForwarded }, shutdown) => forwarder.serve(answerForwarded, shutdown),
  };
}
