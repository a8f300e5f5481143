import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { unusedPort } from '../../scripts/unused-port.ts';
import type { Example, Service } from './example.ts';
import { Part } from './part.ts';

/** What the parts of one running example are made from. */
export interface Setup {
  readonly example: Example;
  readonly folder: string;
  /** The temporary folder with a folder for each part. */
  readonly data: string;
  readonly addresses: Addresses;
  readonly onLine: ((part: string, line: string) => void) | undefined;
}

/** `http://127.0.0.1:PORT` of each. A part keeps its address when it is started again. */
export interface Addresses {
  readonly site: string;
  readonly hub: string;
  /** By the name of an instance: `kitchen`, `worker-2`. Only those that listen. */
  readonly services: Readonly<Record<string, string>>;
}

const COMMAND =
  process.env['TESTED_POLYCAST'] ?? join(import.meta.dirname, '../../packages/server/src/cli/polycast.ts');
/** A longer drain would only delay the end of an example. */
const DRAIN_MS = 300;

export async function chooseAddresses({ services }: Example): Promise<Addresses> {
  const listening = Object.entries(services).flatMap(([name, service]) =>
    service.listens === false ? [] : instanceNames(name, service),
  );
  const [site, hub, ...others] = await distinctAddresses(2 + listening.length);
  return {
    site: site as string,
    hub: hub as string,
    services: Object.fromEntries(listening.map((name, index) => [name, others[index] as string])),
  };
}

export function hubPart({ example, folder, data, addresses, onLine }: Setup): Part {
  const variables = variablesOf(addresses);
  const { host } = new URL(addresses.hub);
  const settings = ['drain.timeMs', DRAIN_MS].join('=');
  const config = join(folder, 'polycast.yaml');
  const place = ['--config', config, '--listen', host, '--data', join(data, 'hub'), '--set', settings];
  return new Part({
    name: 'hub',
    command: ['node', COMMAND, 'serve', '--json', ...place],
    folder,
    url: addresses.hub,
    readyText: '"url":',
    onLine: onLine && ((line) => onLine('hub', line)),
    environment: {
      POLYCAST_LOGGING_LEVEL: 'warn',
      POLYCAST_LOGGING_FORMAT: 'pretty',
      // Addresses of this machine are private, so the hub would send them no webhook.
      POLYCAST_OUTGOING_ALLOW: JSON.stringify(
        [addresses.site, ...Object.values(addresses.services)].map((url) => new URL(url).host),
      ),
      EXAMPLE_SECRET: SECRET,
      ...example.hubEnvironment?.(variables),
    },
  });
}

export function serviceParts(setup: Setup, key: string): Part[] {
  return Object.entries(setup.example.services).flatMap(([name, service]) =>
    instanceNames(name, service).map((instance) => servicePart(setup, { name, instance, service, key })),
  );
}

interface Instance {
  readonly name: string;
  readonly instance: string;
  readonly service: Service;
  readonly key: string;
}

function servicePart({ folder, data, addresses, onLine }: Setup, { name, instance, service, key }: Instance): Part {
  const url = addresses.services[instance];
  const own = join(data, name);
  mkdirSync(own, { recursive: true });
  return new Part({
    name: instance,
    command: service.command,
    folder,
    url,
    onLine: onLine && ((line) => onLine(instance, line)),
    environment: {
      ...variablesOf(addresses),
      ...(url === undefined ? {} : { PORT: new URL(url).port }),
      INSTANCE: instance,
      POLYCAST_KEY: key,
      DATA_FOLDER: own,
      ...service.environment,
    },
  });
}

/**
 * A secret that the hub and the services of this run share: for tokens,
 * or as `whsec_…` for webhooks.
 */
export const SECRET: string = randomBytes(32).toString('base64');

function variablesOf({ site, hub, services }: Addresses): Record<string, string> {
  const urls = Object.entries(services).map(([name, url]) => [`${name.toUpperCase().replaceAll('-', '_')}_URL`, url]);
  return { ...Object.fromEntries(urls), POLYCAST_URL: hub, SITE_URL: site, EXAMPLE_SECRET: SECRET };
}

function instanceNames(name: string, { instances = 1 }: Service): string[] {
  return instances === 1 ? [name] : Array.from({ length: instances }, (_, index) => `${name}-${index + 1}`);
}

async function distinctAddresses(count: number): Promise<string[]> {
  const ports = new Set<number>();
  while (ports.size < count) ports.add(await unusedPort());
  return [...ports].map((port) => `http://127.0.0.1:${port}`);
}
