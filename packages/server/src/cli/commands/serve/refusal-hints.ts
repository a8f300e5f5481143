import type { Refusal } from '../../../auth/refusal-log.ts';
import { pasteable } from '../../pasteable.ts';
import type { Terminal } from '../../terminal.ts';

/** The most lines at once, and per second after that. */
const BURST = 5;
const PER_SECOND = 1;

/**
 * Prints a developer's hints about refusals of the hub: the refused client may not show them, as a
 * page's console does not.
 */
export function createRefusalHints(
  { notice, noticeStyle }: Pick<Terminal, 'notice' | 'noticeStyle'>,
  nowMs: () => number,
): (refusal: Refusal) => void {
  let budget = BURST;
  let lastMs = nowMs();
  let suppressedCount = 0;
  return (refusal) => {
    const allowedBy = settingFor(refusal);
    if (allowedBy === undefined) return;
    const currentMs = nowMs();
    budget = Math.min(BURST, budget + ((currentMs - lastMs) / 1000) * PER_SECOND);
    lastMs = currentMs;
    if (budget < 1) return void suppressedCount++;
    budget--;
    const more = suppressedCount === 0 ? '' : ` (and ${suppressedCount} more)`;
    suppressedCount = 0;
    notice(
      `${noticeStyle('yellow', `refused ${refusal.status} ${refusal.code}`)}  ${refusal.route}${describeRefusal(refusal)}${more}`,
    );
    notice(noticeStyle('dim', `  to allow it: ${pasteable(allowedBy)}`));
  };
}

function describeRefusal({ action, channel, user, origin, rule, detail }: Refusal): string {
  const who = user === undefined ? '' : ` by user ${user}`;
  const from = origin === undefined ? '' : ` from ${origin}`;
  if (action === undefined) return `${who}${from}: ${detail}`;
  return `${who}${from}: ${action}${channel === undefined ? '' : ` ${channel}`}${rule === undefined ? '' : `, by ${rule}`}`;
}

/**
 * The setting that would allow the refused request; `undefined` where no setting helps, such as for
 * bad JSON.
 */
function settingFor({ code, action, channel = '>', origin, host, needs }: Refusal): string | undefined {
  switch (code) {
    case 'origin_not_allowed':
      if (origin === 'null') return 'serve the page from http://localhost, or, for events alone, localPages: files';
      return origin === undefined ? 'allowedOrigins' : `allowedOrigins: ["${origin}"]`;
    case 'host_not_allowed':
      return `publicUrl: http://${host ?? 'hub.example'}, or ask for localhost`;
    case 'unauthorized':
    case 'forbidden':
      return action === undefined ? forCredentials(code) : forAction(action, channel, needs);
    case 'token_expired':
      return 'a new token (getToken of the SDK)';
    case 'identity_unavailable':
      return 'identity.site.loginUrl has to answer';
    case 'too_many_connections':
      return 'limits.connectionsPerUserMax, limits.connectionsPerAddressMax, limits.socketsPerAddressMax';
    case 'rate_limited':
      return 'userPublishRatePerSecond of a rule, limits.clientPublishRatePerSecond';
    default:
      return undefined;
  }
}

function forCredentials(code: 'unauthorized' | 'forbidden'): string | undefined {
  return code === 'unauthorized'
    ? 'identity.tokens (the issuer, audience and keys of the token), or a key: polycast keys create'
    : undefined;
}

const SCOPES: ReadonlySet<string> = new Set(['subscriptions', 'users', 'admin']);

function forAction(action: string, channel: string, needs: string | undefined): string {
  if (SCOPES.has(action)) return `use a key with the scope ${action}: polycast keys create`;
  const needed = needs === undefined ? '' : ` (it requires ${needs})`;
  return `rules: [{ pattern: "${channel}", ${action}: [anyone] }], or users, owner, …${needed}`;
}
