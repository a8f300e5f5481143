import { isIP } from 'node:net';
import { isHubChannel } from '../core/access/system-channels.ts';
import type { Config } from './settings/config-schema.ts';
import { dataFolderOf } from '../storage/data-setting.ts';
import { DEFAULT_PORT, isLoopback, parseListen, trustsLoopback } from './listen.ts';
import type { ConfigProblem } from './config-error.ts';

/** Checks beyond single fields: forms that need a parser, and fields that depend on each other. */
export function checkConsistency(config: Config): ConfigProblem[] {
  return [
    ...checkListen(config),
    ...checkProcesses(config),
    ...checkTls(config),
    ...checkOrigins(config),
    ...checkLocalPages(config),
    ...checkProxies(config),
    ...checkSizes(config),
    ...checkSite(config),
    ...checkTokens(config),
    ...checkPresence(config),
    ...checkSubscriptions(config),
    ...checkLeases(config),
    ...checkCluster(config),
  ];
}

/** Settings that contradict a cluster. */
function checkCluster({ cluster, lab }: Config): ConfigProblem[] {
  const { certificateFile, keyFile } = cluster.tls;
  const problems: ConfigProblem[] = [];
  if ((certificateFile === null) !== (keyFile === null)) {
    const missing = keyFile === null ? 'keyFile' : 'certificateFile';
    problems.push({ path: `cluster.tls.${missing}`, message: 'must also be set: TLS needs a certificate and its key' });
  }
  if (cluster.nats.length === 0) return problems;
  if (lab.enabled) problems.push({ path: 'lab.enabled', message: 'must be false in a cluster: the Lab wipes the log' });
  return problems;
}

/** The default must be within the bounds for requests. */
function checkLeases({ websub: { leaseSeconds, leaseMinSeconds, leaseMaxSeconds } }: Config): ConfigProblem[] {
  return leaseMinSeconds <= leaseSeconds && leaseSeconds <= leaseMaxSeconds
    ? []
    : [{ path: 'websub.leaseSeconds', message: 'must be from websub.leaseMinSeconds to websub.leaseMaxSeconds' }];
}

function checkListen({ listen, access }: Config): ConfigProblem[] {
  const address = parseListen(listen);
  if (address === undefined) {
    return [
      {
        path: 'listen',
        message: `"${listen}" is not host:port such as 127.0.0.1:${DEFAULT_PORT}, 0.0.0.0:${DEFAULT_PORT} or [::1]:${DEFAULT_PORT}`,
      },
    ];
  }
  if (!trustsLoopback({ access }) || isLoopback(address.host)) return [];
  const message =
    `${address.host} is reachable from other machines, and there is no access control (access: loopback); ` +
    'listen on 127.0.0.1, or set access: open to let everyone who reaches the port read and publish everything';
  return [{ path: 'listen', message }];
}

/** Several processes share a folder. The Lab restarts its hub inside one process. */
function checkProcesses({ processes, data, lab }: Config): ConfigProblem[] {
  if (processes === 1) return [];
  if (dataFolderOf(data) === undefined)
    return [{ path: 'processes', message: `must be 1 without a data folder (data: ${data})` }];
  return lab.enabled ? [{ path: 'processes', message: 'must be 1 with the Lab (lab.enabled, polycast dev)' }] : [];
}

/** A loopback origin in the browser of another machine is a page of that machine. */
function checkLocalPages({ localPages, listen }: Config): ConfigProblem[] {
  const { host } = parseListen(listen) ?? {};
  if (localPages === 'none' || host === undefined || isLoopback(host)) return [];
  return [{ path: 'localPages', message: `must be none, because ${host} is reachable from other machines` }];
}

function checkTls({ tls }: Config): ConfigProblem[] {
  if ((tls.certificateFile === null) === (tls.keyFile === null)) return [];
  const missing = tls.keyFile === null ? 'keyFile' : 'certificateFile';
  return [{ path: `tls.${missing}`, message: 'must also be set: TLS needs a certificate and its key' }];
}

function checkOrigins({ allowedOrigins, subscriptions: { trustedEndpoints } }: Config): ConfigProblem[] {
  return [
    ...originProblems('allowedOrigins', allowedOrigins),
    ...originProblems('subscriptions.trustedEndpoints', trustedEndpoints),
  ];
}

function originProblems(path: string, origins: readonly string[]): ConfigProblem[] {
  return origins.flatMap((origin, index) =>
    origin === '*' || isOrigin(origin)
      ? []
      : [
          {
            path: `${path}.${index}`,
            message: `"${origin}" is not an origin: scheme://host[:port] and nothing more, scheme://*.domain[:port], or *`,
          },
        ],
  );
}

function checkProxies({ trustedProxies }: Config): ConfigProblem[] {
  return trustedProxies.flatMap((network, index) =>
    isNetwork(network)
      ? []
      : [
          {
            path: `trustedProxies.${index}`,
            message: `"${network}" is neither an address nor a network such as 10.0.0.0/8`,
          },
        ],
  );
}

/** `https://*.shop.example` matches all sub-domains. It is valid only for a domain. */
function isOrigin(pattern: string): boolean {
  const text = pattern.replace(/^(https?:\/\/)\*\.(?=[a-z0-9-]+\.)/, '$1');
  const url = URL.parse(text);
  return url !== null && (url.protocol === 'https:' || url.protocol === 'http:') && url.origin === text;
}

/**
 * A login without cookies or headers would identify no user. A `site` rule without `consentUrl`
 * would allow no client.
 */
function checkSite({ identity: { site }, access, defaults, rules }: Config): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  if (site.loginUrl !== null && site.cookies.length + site.headers.length === 0) {
    const message = 'must not be empty together with identity.site.headers, because loginUrl is set';
    problems.push({ path: 'identity.site.cookies', message });
  }
  const asks = [defaults, ...rules].some((rule) => ACTIONS.some((action) => rule[action]?.includes('site') === true));
  if (access === 'rules' && asks && site.consentUrl === null)
    problems.push({ path: 'identity.site.consentUrl', message: 'must be set, because a rule uses `site`' });
  return problems;
}

/** After a crash the hub reads its last announcements from these channels. */
function checkPresence({ rules }: Config): ConfigProblem[] {
  return rules.flatMap(({ pattern, retain }, index) =>
    retain !== undefined && retain !== 'history' && isHubChannel(pattern)
      ? [
          {
            path: `rules.${index}.retain`,
            message: `must be history for ${pattern}: the hub publishes its own events there`,
          },
        ]
      : [],
  );
}

/** A default for all subscriptions must not exceed the maximum for one. */
function checkSubscriptions({ subscriptions }: Config): ConfigProblem[] {
  const { concurrency, concurrencyMax, timeoutMs, timeoutMaxMs, leaseSeconds, leaseMaxSeconds } = subscriptions;
  const { attemptsKept, attemptsKeptMax, failingNoticeSeconds, suspendAfterSeconds } = subscriptions;
  const pairs = [
    ['concurrency', concurrency, 'concurrencyMax', concurrencyMax],
    ['timeoutMs', timeoutMs, 'timeoutMaxMs', timeoutMaxMs],
    ['leaseSeconds', leaseSeconds, 'leaseMaxSeconds', leaseMaxSeconds],
    ['attemptsKept', attemptsKept, 'attemptsKeptMax', attemptsKeptMax],
    ['failingNoticeSeconds', failingNoticeSeconds, 'suspendAfterSeconds', suspendAfterSeconds],
  ] as const;
  return pairs
    .filter(([, value, , max]) => value > max)
    .map(([name, , maxName]) => ({
      path: `subscriptions.${name}`,
      message: `must not be more than subscriptions.${maxName}`,
    }));
}

/** A token must not outlive its revocation. */
function checkTokens({ identity: { tokens, revocationsKeptSeconds } }: Config): ConfigProblem[] {
  return tokens.flatMap(({ lifetimeMaxSeconds, leewaySeconds }, index) => {
    if (lifetimeMaxSeconds + 2 * leewaySeconds <= revocationsKeptSeconds) return [];
    const message = `must be less than identity.revocationsKeptSeconds (${revocationsKeptSeconds}) by twice the leeway: a token that outlives its revocation would be valid again`;
    return [{ path: `identity.tokens.${index}.lifetimeMaxSeconds`, message }];
  });
}

const ACTIONS = ['subscribe', 'publish', 'history', 'presence'] as const;

function checkSizes({ defaults, rules, limits }: Config): ConfigProblem[] {
  const settings = [{ path: 'defaults', bytes: defaults.eventBytesMax }];
  for (const [index, rule] of rules.entries()) {
    if (rule.eventBytesMax !== undefined) settings.push({ path: `rules.${index}`, bytes: rule.eventBytesMax });
  }
  const bodies =
    limits.bodiesBytesMax >= limits.bodyBytesMax
      ? []
      : [{ path: 'limits.bodiesBytesMax', message: 'must not be less than limits.bodyBytesMax' }];
  const events = settings
    .filter(({ bytes }) => bytes > limits.bodyBytesMax || bytes > limits.appendQueueBytesMax)
    .map(({ path }) => ({
      path: `${path}.eventBytesMax`,
      message:
        'must not be more than limits.bodyBytesMax and limits.appendQueueBytesMax, because such an event could never be published',
    }));
  return [...bodies, ...events];
}

/** Whether a text is an address, or a network in CIDR notation. */
function isNetwork(text: string): boolean {
  const [address = '', bits, ...rest] = text.split('/');
  const family = isIP(address);
  if (family === 0 || rest.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 6 ? 128 : 32));
}
