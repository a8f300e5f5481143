import type { Module } from './modules.ts';
import type { Finding } from './rules.ts';

/**
 * A shorter file needs a reason, because a reader who opens many of them learns little from each.
 */
const LINES_MIN = 30;

/** Kinds of files that may be short, by their path, each with the reason. */
const SHORT_KINDS: readonly (readonly [path: RegExp, reason: string])[] = [
  [
    /^packages\/(?:client|react)\/src\/(?:index|server|tabs)\.ts$|^packages\/protocol\/src\/index\.ts$/,
    'An entry of a package.',
  ],
  [/\/cli\/polycast\.ts$|-worker\.ts$/, 'The entry of a process or of a thread.'],
  [/\/client\/src\/transports\//, 'A file for each transport.'],
  [/(?:-route|\/routes|-parts|\/parts)\.ts$/, 'A list of routes, or what they need: a file for each part of the API.'],
  [
    /(?:-error|-failure|\/refusals|\/errors|\/exit-codes|\/corruption)\.ts$/,
    'Errors that several files throw and others catch.',
  ],
  [/\/composition\//, 'A file for each part that is put together.'],
  [/\/core\/primitives\//, 'A data structure or function that knows nothing of events.'],
];

/** Other files that may be short, each with the reason. */
const SHORT_FILES: Readonly<Record<string, string>> = {
  'packages/server/src/config/settings/portal.ts': 'A file for each section of the configuration.',
  'packages/server/src/storage/sqlite/identity/portal-link-table.ts': 'A file for each table of the identity store.',
  'packages/server/src/storage/sqlite/identity/erasure-table.ts': 'A file for each table of the identity store.',
  'packages/server/src/administration/hub-answers.ts':
    'The routes that it calls import `other-hubs.ts`, so there it would make a cycle.',
  'packages/server/src/identity/current-authority.ts': 'A cluster alone uses it; hubs without one do not.',
  'packages/server/src/config/largest-event.ts': 'The storage and the commands of a cluster read it.',
  'packages/server/src/storage/prepare-storage.ts': 'It runs before the hub is loaded, so it imports no home.',
  'packages/server/src/storage/cluster/log/cluster-trims.ts': 'It owns the state of one kind of block.',
  'packages/server/src/storage/shared/epoch-after.ts':
    'The log of one hub and that of a cluster share it, and neither imports the other.',
  'packages/react/src/use-latest.ts': 'A file for each hook.',
  'packages/react/src/use-connection.ts': 'A file for each hook.',
  'packages/react/build.ts': 'The build of a package.',
  'packages/server/src/core/ingest-settings.ts': 'Settings that the configuration and the ingest share.',
  'packages/client/src/connection/clock.ts': 'Time is an input of the machine: nothing else reads a clock.',
  'packages/client/src/machine/backoff.ts': 'The one formula of all waits of the SDK.',
  'packages/client/src/machine/close-codes.ts': 'A shorter form of a table of the protocol; a test compares the two.',
  'packages/client/src/machine/patterns.ts': 'A shorter form of the patterns of the protocol; a test compares the two.',
  'packages/client/src/random-id.ts': 'Each entry of the package needs it.',
  'packages/client/src/sleep.ts': 'Each entry of the package needs it.',
  'packages/protocol/src/transports.ts': 'The one list of transports.',
  'packages/protocol/src/time.ts': 'The one format of times.',
  'packages/server/src/operate/prom-client.d.ts': 'Declarations.',
  'packages/server/src/telemetry/index.ts': 'The one module that composition loads late.',
  'packages/server/src/storage/view/block.ts': 'Homes and the journal share it, and neither imports the other.',
  'packages/server/src/storage/view/view-copies.ts': 'Homes and the snapshots share it, and neither imports the other.',
  'packages/server/src/storage/sqlite/log/view-state-table.ts':
    'The writer of a view and its copies read it, in two threads.',
  'packages/server/src/cli/event-format.ts': 'The one form of an event in a terminal.',
  'packages/server/src/cli/problem-document.ts': 'What each command that calls a hub makes of an error.',
  'packages/server/src/core/events/envelope-request.ts':
    'Publishing and streams share it, and neither imports the other.',
  'packages/server/src/core/access/system-channels.ts':
    'What sites cannot name; the private channels are a part of it.',
  'packages/server/src/core/events/entity-tag.ts': 'The form of a tag, which publishing and the core read.',
  'packages/server/src/core/events/latest.ts': 'The one condition of `ifLatest`, which each log checks.',
  'packages/server/src/core/events/media-type.ts': 'The grammar of a media type.',
  'packages/server/src/core/preload.ts': 'The one read of the log at the start.',
  'packages/server/src/http/headers/header-value.ts': 'How Node reads and writes the values of headers.',
  'packages/server/src/http/http-settings.ts': 'The settings, which the server and the front end read.',
  'packages/server/src/http/security-headers.ts': 'The headers of every page, in one list.',
  'packages/server/src/http/timestamp-text.ts': 'The one format of times in JSON.',
  'packages/server/src/outgoing/contain.ts': 'The wall against errors of an HTTP client.',
  'packages/server/src/outgoing/destinations/parse-target.ts': 'The one check of a URL before any look-up.',
  'packages/server/src/outgoing/tls-sessions.ts': 'A bounded cache; the connector is long enough.',
  'packages/server/src/platform/http-client.ts': 'The one place that loads the HTTP client.',
  'packages/server/src/publishing/publish-result.ts': 'The one form of a result, for single and streamed publishes.',
  'packages/server/src/storage/homes.ts': 'The list of homes of data.',
  'packages/server/src/storage/memory/memory-home.ts': 'A home is a file.',
  'packages/server/src/storage/contract/log/log-contract.ts': 'The list of the tests of a log.',
  'packages/server/src/config/settings/sessions.ts': 'A file for each section of the settings.',
  'packages/server/src/explain/moment-text.ts': 'The one form of moments and counts in sentences.',
  'packages/server/src/platform/node-version.ts': 'An old version of Node.js loads it, so it imports nothing.',
  'packages/server/src/sessions/recorded-address.ts': 'The one place that shortens addresses.',
  'packages/server/src/storage/shared/ring-bounds.ts': 'Bounds that each home of the session journal obeys.',
  'packages/server/src/storage/shared/attempt-bounds.ts': 'Bounds that each home of subscriptions obeys.',
  'packages/server/src/storage/backup.ts': 'Backups from outside `storage`. A hub does not load them.',
  'packages/server/src/storage/shared/body-encoder.ts': 'The one way to lay out bodies in memory.',
  'packages/server/src/streams/control-frames.ts': 'The messages that each streaming transport has.',
  'packages/server/src/streams/event-streams.ts': 'The list of event streams.',
  'packages/server/src/subscriptions/dialects/open-dialects.ts':
    'The list of dialects with routes; the command line loads `registry.ts` without any HTTP.',
  'packages/server/src/subscriptions/dialects/registry.ts': 'The list of dialects.',
  'packages/server/src/subscriptions/engine/executor.ts':
    'The port by which the engine hands consumers to webhooks and pull.',
  'packages/server/src/subscriptions/http/bodies/request-fingerprint.ts':
    'When two requests with one idempotency key are equal.',
  'packages/server/src/http/sockets/closing-connections.ts':
    'The rule for requests behind the last response of a connection.',
};

export function shortFiles(modules: readonly Module[]): Finding[] {
  return modules
    .filter(({ path, lines }) => lines <= LINES_MIN && /^packages\/\w+\/src\//.test(path) && !hasReason(path))
    .map(({ path, lines }) => ({
      path,
      message: `${lines - 1} lines: fold it into a neighbour, or give a reason in scripts/tidy/short-files.ts`,
    }));
}

function hasReason(path: string): boolean {
  return (
    /\.test\.tsx?$|\/testing[/.]/.test(path) ||
    SHORT_FILES[path] !== undefined ||
    SHORT_KINDS.some(([kind]) => kind.test(path))
  );
}
