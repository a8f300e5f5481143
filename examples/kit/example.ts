import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/**
 * An example is a folder with an `example.ts`. It declares the programs of the example, and which
 * paths of its site each of them serves:
 *
 *     services: { kitchen: { command: ['node', 'services/kitchen.ts'] } },
 *     routes: { '/api/': 'kitchen' },
 *
 * The runner adds a hub with the configuration `polycast.yaml`, and a front for the page.
 */
export interface Example {
  readonly title: string;
  /** One sentence, for lists of examples. */
  readonly summary: string;
  /** The programs by name. They are started in this order, each when the one before is ready. */
  readonly services: Readonly<Record<string, Service>>;
  /** The service for each prefix of a path. The front passes such requests on as they are. */
  readonly routes?: Readonly<Record<string, string>>;
  /** Variables of the hub, from the variables that services get: `POLYCAST_…` sets one setting. */
  readonly hubEnvironment?: (variables: Readonly<Record<string, string>>) => Readonly<Record<string, string>>;
}

export interface Service {
  /** Run in the folder of the example. `node` is the Node.js of the repository. */
  readonly command: readonly [program: string, ...rest: string[]];
  /** More than one are named `worker-1`, `worker-2`, … @default 1 */
  readonly instances?: number;
  /**
   * Whether it listens on `PORT`: it is ready when it does. Others are ready at once.
   * @default true
   */
  readonly listens?: boolean;
  readonly environment?: Readonly<Record<string, string>>;
}

const KIT = import.meta.dirname;
export const EXAMPLES: string = join(KIT, '..');

/** The names of all examples. */
export function exampleNames(): string[] {
  return readdirSync(EXAMPLES)
    .filter((name) => existsSync(join(EXAMPLES, name, 'example.ts')) && join(EXAMPLES, name) !== KIT)
    .toSorted();
}

/** @throws Error that lists the examples, if there is none of this name */
export async function loadExample(name: string): Promise<Example> {
  if (!exampleNames().includes(name))
    throw new Error(`No example is called ${name}. There are: ${exampleNames().join(', ')}.`);
  const { example } = (await import(pathToFileURL(join(EXAMPLES, name, 'example.ts')).href)) as { example: Example };
  return example;
}
