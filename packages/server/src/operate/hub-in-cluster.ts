import * as z from 'zod';
import type { Log } from '../core/ports.ts';
import { count, named, text } from '../http/openapi/schemas.ts';

/**
 * The hub of a cluster that gives an answer about itself alone. Example: the status of hub A, one of
 * three, has the sessions of A.
 */
export const hubInCluster = named('HubInCluster', () =>
  z.object({
    name: text({ examples: ['shop'] }).describe('The name of the cluster.'),
    hub: text({ examples: ['mwrt5b936aec0a14ceb0'] }).describe('The hub that answers. The answer is about it alone.'),
    host: text({ examples: ['one'] }).describe('The name of its machine.'),
    hubs: count('The hubs that run, as this one hears.'),
  }),
);

export type HubInCluster = z.infer<ReturnType<typeof hubInCluster>>;

/** The place of a hub in its cluster; `undefined` without one. */
export function placeInCluster({ shared }: Pick<Log, 'shared'>, name: string, host: string): HubInCluster | undefined {
  return shared && { name, hub: shared.others.self, host, hubs: shared.others.names.length + 1 };
}
