import { PolycastError } from '@polycast/protocol';
import * as z from 'zod';
import type { Route } from '../auth/route.ts';
import { noMembers } from '../http/body/body-schema.ts';
import { json, response } from '../http/route-description.ts';
import { named, text } from '../http/openapi/schemas.ts';
import { hubInCluster, type HubInCluster } from '../operate/hub-status.ts';
import type { Actor } from '../core/audit.ts';

/** The outcome of a reload. A problem has the path of its setting. */
export type ReloadOutcome =
  | {
      readonly ok: true;
      /** The paths of the settings that changed, or whose files did. */
      readonly applied: readonly string[];
      /** The paths of changed settings that need a restart. */
      readonly restart: readonly string[];
      /** Live sessions that lost a channel, or ended. */
      readonly sessions: number;
    }
  | { readonly ok: false; readonly problems: readonly { readonly path: string; readonly message: string }[] };

interface ReloadParts {
  readonly reload: (by: Actor) => Promise<ReloadOutcome>;
  /** The hub in its cluster; `undefined` without one. */
  readonly place: () => HubInCluster | undefined;
}

/** `POST /v1/reload` (PROTOCOL.md section 13.1): reads the configuration again. */
export function reloadRoute({ reload, place }: ReloadParts): Route {
  return {
    method: 'POST',
    path: '/v1/reload',
    requires: 'admin',
    description: () => ({
      operationId: 'reloadConfiguration',
      summary: 'Reads the configuration again, and applies its live settings.',
      details:
        'The hub reads the files that it was started with, and the certificates and keys that they name. It drops no connection, except those that the new settings no longer allow. An invalid configuration changes nothing. In a cluster, only the hub that answers reads its files.',
      section: '13.1',
      responses: [response(200, 'Reloaded.', json(reloadSchema(), 'The changed settings.'))],
      errors: ['config_invalid'],
    }),
    async handle(request) {
      await request.parse(noMembers);
      const outcome = await reload(request.actor);
      if (outcome.ok) {
        const { applied, restart, sessions } = outcome;
        const cluster = place();
        return request.respondJson(200, { applied, restart, sessions, ...(cluster && { cluster }) });
      }
      const { problems } = outcome;
      const detail = problems.map(({ path, message }) => (path === '' ? message : `${path} ${message}`)).join('; ');
      throw new PolycastError('config_invalid', detail, { problems });
    },
  };
}

const reloadSchema = named('Reload', () =>
  z.object({
    applied: z
      .array(text({ examples: ['rules'] }))
      .meta({ description: 'The settings that changed, or whose files did. The hub uses the new values.' }),
    restart: z
      .array(text({ examples: ['listen'] }))
      .meta({ description: 'Changed settings that need a restart. The hub uses their old values.' }),
    sessions: z.int().meta({ description: 'Live sessions that lost a channel, or ended.', examples: [0] }),
    cluster: hubInCluster().optional(),
  }),
);
