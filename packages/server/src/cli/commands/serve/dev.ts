import type { Hub } from '../../../main.ts';
import type { Config } from '../../../config/parse.ts';
import { DEFAULT_PORT } from '../../../config/listen.ts';
import { JSON_DOCUMENT, type Command } from '../../command.ts';
import { HUB_OPTIONS, hubConfig } from '../../hub-config.ts';
import { createRefusalHints } from './refusal-hints.ts';
import { runHub } from './run-hub.ts';
import { DEFAULT_URL } from '../../hub-address.ts';
import { pasteable } from '../../pasteable.ts';
import { assetPath, findAsset } from '../../../platform/package-files.ts';
import type { Terminal } from '../../terminal.ts';

/**
 * The settings of a developer's machine: a fast restart, a short presence grace, early retries, the
 * Lab, and logs for people.
 */
const PRESET = {
  access: 'loopback',
  localPages: 'files',
  lab: { enabled: true },
  logging: { format: 'pretty', level: 'warn' },
  drain: { timeMs: 500 },
  presence: { graceSeconds: 2 },
  // A developer waits for the retry. After ten minutes the delays are those of other hubs.
  subscriptions: {
    retryDelaysSeconds: [
      ...[1, 2, 5],
      ...Array.from({ length: 6 }, () => 10),
      ...Array.from({ length: 8 }, () => 30),
      ...Array.from({ length: 5 }, () => 60),
      ...[300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400],
    ],
  },
};

export const dev: Command = {
  name: 'dev',
  summary: 'Runs a hub with the Lab on this machine, for development.',
  usage: '',
  argumentsMin: 0,
  argumentsMax: 0,
  details: `It listens on 127.0.0.1:${DEFAULT_PORT}. If that port is in use and no other is configured, it takes the next free port. A port that you name is the only one that it tries. It stores events in ./polycast-data.`,
  options: { ...HUB_OPTIONS, json: JSON_DOCUMENT },
  examples: [
    { command: 'polycast dev', description: `on ${DEFAULT_URL}, or the next free port` },
    { command: 'polycast dev --data :memory:', description: 'keep nothing' },
    { command: 'polycast dev --port 9000', description: 'only on this port' },
  ],
  async run(input, terminal) {
    const { config, origins } = await hubConfig(input, PRESET);
    const hasDocumentation = (await findAsset(assetPath('docs', 'index.html'))) !== undefined;
    return runHub(config, terminal, {
      anyPort: !origins.has('listen'),
      origins,
      loadConfig: () => hubConfig(input, PRESET),
      asJson: input.flag('json'),
      greet: (hub) => greet(hub, config, hasDocumentation, terminal),
      onRefusal: createRefusalHints(terminal, () => performance.now()),
    });
  },
};

function greet({ url }: Hub, config: Config, hasDocumentation: boolean, { out, style }: Terminal): void {
  const { data, lab, console: operatorConsole } = config;
  const lines = [
    ...(lab.enabled ? [`The Lab           ${style('cyan', `${url}/lab`)}`] : []),
    ...(operatorConsole.enabled ? [`The console       ${style('cyan', `${url}/console`)}`] : []),
    ...(lab.enabled ? [`Documentation     ${hasDocumentation ? style('cyan', `${url}/docs`) : NO_PAGES}`] : []),
    `Follow            ${style('cyan', `curl -N -H 'Accept: text/event-stream' '${url}/v1/events?channel=orders.>'`)}`,
    `Publish           ${style('cyan', `curl ${url}/v1/channels/orders.42/events -H 'Content-Type: application/json' -d '{"state":"baked"}'`)}`,
    `Webhooks here     ${style('cyan', pasteable(`polycast listen 'orders.>' --forward http://localhost:3000/hook${urlOption(url)}`))}`,
    ...(ignoresRules(config) ? [style('yellow', pasteable(OPEN))] : []),
    style('dim', `Events are stored in ${data}. Press Ctrl-C to stop.`),
  ];
  for (const line of lines) out(`  ${line}`);
}

/** Installing only what the hub needs leaves out what builds the pages. */
const NO_PAGES = 'docs/README.md; as pages: npm ci && npm run build';

const OPEN = 'Open: rules about who may read and publish are not enforced; use polycast serve, or access: rules';

/** Whether the configuration says who may do what, and the hub admits everyone on this machine. */
function ignoresRules({ access, identity, rules, defaults }: Config): boolean {
  if (access === 'rules') return false;
  const isLimited = [defaults, ...rules].some(
    ({ subscribe, publish, history }) => (subscribe ?? publish ?? history) !== undefined,
  );
  return isLimited || identity.tokens.length > 0 || identity.site.loginUrl !== null;
}

/** The option that a command needs for a hub at another than the default address. */
function urlOption(url: string): string {
  return url === DEFAULT_URL ? '' : ` --url ${url}`;
}
