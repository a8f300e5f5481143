import type { Module } from './modules.ts';
import type { Finding } from './rules.ts';

/**
 * Maps and sets of the server that are bounded by their number of entries, by file and name. The
 * reason says why an entry is short whatever a client chooses.
 */
const COUNT_BOUNDED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'core/interests/interests.ts': { '#idle': 'Its bytes are bounded too.' },
  'core/primitives/token-buckets.ts': { '#buckets': 'Its bytes are bounded too.' },
  'core/tail.ts': { '#channels': 'Names of 200 characters; the bytes of the events are bounded too.' },
  'identity/api-keys.ts': { '#keys': 'Operators create keys, within the bound of a body.' },
  'identity/console/login-signatures.ts': { '#signers': 'Keys of 32 bytes.' },
  'identity/console/console-login.ts': { '#remembered': 'Cookies that the hub has signed: some 400 characters.' },
  'identity/second-chance-cache.ts': { '#entries': 'Its bytes are bounded too, where clients choose them.' },
  'identity/portal-links.ts': { '#byHash': 'Hashes, with an owner of 128 characters and the channels of one body.' },
  'identity/revocation-index.ts': { '#byName': 'Operators revoke names, within the bound of a body.' },
  'identity/site/probe-requests.ts': { '#byKey': 'Four requests to the site.' },
  'identity/site/site-lookup.ts': { '#inFlight': 'Concurrent requests to the site.' },
  'identity/site/suspects.ts': { '#clients': 'Addresses, or users of 128 characters.' },
  'identity/site/waiting-questions.ts': { '#queue': 'Its bytes are bounded too.' },
  'identity/tokens/token-headers.ts': { '#memo': 'Texts of 512 characters.' },
  'lab/wire-log.ts': { '#watchers': 'Connections.' },
  'outgoing/connection-pool.ts': { '#open': 'Connections.' },
  'outgoing/destinations/addresses.ts': { kinds: 'Addresses of name servers and sockets: 45 characters.' },
  'outgoing/tls-sessions.ts': { '#sessions': 'Sessions of 8 KiB.' },
  'platform/static-files.ts': { '#compressed': 'Files of the package.' },
  'presence/reported-pollers.ts': {
    '#pollers': 'Users of 128 characters, a channel of 200, and an info of 4,096.',
  },
  'presence/presence-report.ts': { '#unacknowledged': 'Ids of sessions.', '#unreported': 'Ids of sessions.' },
  'publishing/cloudevents.ts': { attributes: 'A part of one body.' },
  'storage/memory/memory-session-store.ts': { '#entries': 'Their bytes have a bound too.' },
  'storage/cluster/fleet.ts': { '#heard': 'Names of the hubs of this cluster.' },
  'storage/cluster/jetstream/block-follower.ts': { '#ids': 'Ids of blocks, which hubs make.' },
  'storage/cluster/hub-watch.ts': { '#watched': 'Beats of hubs: numbers and short names.' },
  'storage/cluster/identity/urgent-changes.ts': {
    '#heard': 'Hubs send them; each has a name within the bound of a body.',
  },
  'storage/cluster/snapshots/memory-snapshot-store.ts': { '#stored': 'Three snapshots at most.' },
  'storage/cluster/subscriptions/cluster-subscription-store.ts': {
    '#pending': 'Rows of subscriptions that exist, some 400 bytes each.',
  },
  'storage/cluster/subscriptions/recent-attempts.ts': {
    '#attempts': 'Attempts with answers of 16 KiB at most.',
    numbers: 'Numbers.',
  },
  'storage/cluster/view-comparison.ts': { '#hashes': 'Numbers.' },
  'storage/view/view-state.ts': { '#numbers': 'Names of the hubs of this cluster.' },
  'storage/shared/empty-channels.ts': { entries: 'Names of 200 characters.' },
  'storage/memory/memory-log.ts': { '#directory': 'Names of 200 characters.' },
  'storage/shared/channel-prefixes.ts': { '#lostThrough': 'Names of 200 characters.' },
  'storage/sqlite/log/reader-thread/log-reader.ts': { ids: 'Numbers.' },
  'storage/sqlite/log/reader-thread/pattern-cache.ts': { '#cached': 'Their channels are bounded too, all together.' },
  'storage/sqlite/log/writer-thread/appends.ts': { '#channelTable': 'Names of 200 characters.' },
  'storage/sqlite/log/sqlite-log.ts': { '#damagedThrough': 'Numbers.' },
  'storage/sqlite/subscriptions/sqlite-subscription-store.ts': {
    '#pending': 'Rows of subscriptions that exist, some 400 bytes each.',
  },
  'subscriptions/engine/erasure.ts': { '#remembered': 'Numbers.' },
  'subscriptions/dialects/websub/external-topics.ts': {
    '#delayed': 'Its bytes are bounded too.',
    '#fetched': 'Names of 200 characters.',
  },
  'subscriptions/dialects/websub/keyed-queue.ts': {
    '#busy': 'Concurrent tasks.',
    '#waiting': 'Its bytes are bounded too.',
  },
  'subscriptions/dialects/websub/parameters.ts': { topics: 'A part of one body.' },
  'subscriptions/engine/intern-definition.ts': { '#known': 'Texts of 200 characters.' },
  'subscriptions/http/websocket-pulls.ts': { '#pulls': 'Ids of subscriptions that exist.' },
  'subscriptions/webhook/request/secrets.ts': { keys: 'Secrets of 24 to 64 bytes.' },
  'telemetry/traced-pulls.ts': { '#open': 'Names of leases, and a span of a fixed set of attributes.' },
};

/**
 * A map or set with a bound on its number of entries is as large as clients make the entries. A
 * cache must be a `BoundedCache`, which bounds bytes; any other collection needs a reason.
 */
export function countBounds(modules: readonly Module[]): Finding[] {
  return modules
    .filter(({ path }) => path.startsWith(SERVER) && !/\/src\/cli\/|\.test\.ts$|\/testing[/.]/.test(path))
    .flatMap(({ path, countBounded }) => {
      const reasons = COUNT_BOUNDED[path.slice(SERVER.length)] ?? {};
      return [...countBounded]
        .filter((name) => reasons[name] === undefined)
        .map((name) => ({
          path,
          message: `bounds ${name} by its number of entries: use core/primitives/bounded-cache.ts, or give a reason in scripts/tidy/count-bounds.ts`,
        }));
    });
}

const SERVER = 'packages/server/src/';
