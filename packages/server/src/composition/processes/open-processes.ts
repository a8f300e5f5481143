import type { ProcessPlace } from '../../processes/process-place.ts';
import type { HubBase } from '../base.ts';
import type { JoiningParts, HubProcesses } from './hub-processes.ts';

/** Only a hub of several processes loads the modules for them. */
export async function openConfiguredProcesses(
  base: HubBase,
  place: ProcessPlace | undefined,
): Promise<HubProcesses | undefined> {
  if (place === undefined) return undefined;
  if (place.role === 'owner') return new (await import('./owner-process.ts')).OwnerProcess(base, place);
  return (await import('./follower-process.ts')).openFollowerProcess(base, place);
}

/** The parts of an open hub, as its processes share them. */
export function joiningParts({
  log,
  publisher,
  sessions,
  presence,
  journal,
  identity: { store, loginSignatures },
  http,
}: OpenParts): JoiningParts {
  const { request, streams } = http.parts;
  const { keys, revocations } = store;
  const { frontend } = http;
  return {
    log,
    publisher,
    sessions,
    presence,
    journal,
    keys,
    revocations,
    loginSignatures,
    auth: request.auth,
    frontend,
    openPulls: streams.openPulls,
  };
}

interface OpenParts extends Pick<JoiningParts, 'log' | 'publisher' | 'sessions' | 'presence' | 'journal'> {
  readonly identity: Pick<JoiningParts, 'loginSignatures'> & {
    readonly store: Pick<JoiningParts, 'keys' | 'revocations'>;
  };
  readonly http: {
    readonly frontend: JoiningParts['frontend'];
    readonly parts: {
      readonly request: Pick<JoiningParts, 'auth'>;
      readonly streams: Pick<JoiningParts, 'openPulls'>;
    };
  };
}
