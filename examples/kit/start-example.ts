import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { atExit } from '../../conformance/kit/at-exit.ts';
import { EXAMPLES, loadExample, type Example } from './example.ts';
import { startFront, type Front } from './front/front.ts';
import type { Part } from './part.ts';
import { chooseAddresses, hubPart, SECRET, serviceParts, type Setup } from './parts.ts';

/** An example whose hub, services and front run. */
export interface RunningExample {
  readonly example: Example;
  /** The site: the page, its API and the hub at one origin. */
  readonly url: string;
  /** The hub itself, without the front. */
  readonly hub: { readonly url: string };
  /** The hub's first key, with all scopes. */
  readonly key: string;
  /** `EXAMPLE_SECRET` of its processes. */
  readonly secret: string;
  readonly parts: readonly Part[];
  readonly front: Front;
  /**
   * A process: `hub`, or a service such as `kitchen` or `worker-2`.
   * @throws Error that lists the parts, if there is none of this name
   */
  part(name: string): Part;
  /** Ends all processes, services first, and removes their data. */
  stop(): Promise<void>;
}

export interface StartOptions {
  /** Called with each line that a part prints. */
  readonly onLine?: (part: string, line: string) => void;
}

/** Starts an example on free ports and in a temporary folder. */
export async function startExample(name: string, { onLine }: StartOptions = {}): Promise<RunningExample> {
  const example = await loadExample(name);
  const data = mkdtempSync(join(tmpdir(), `polycast-${name}-`));
  const remove = (): void => rmSync(data, { recursive: true, force: true });
  const isRemoved = atExit(remove);
  const folder = join(EXAMPLES, name);
  const setup: Setup = { example, folder, data, addresses: await chooseAddresses(example), onLine };
  const hub = hubPart(setup);
  const parts: Part[] = [hub];
  let front: Front | undefined;

  async function stop(): Promise<void> {
    front?.close();
    await Promise.all(parts.slice(1).map((part) => part.kill()));
    await hub.kill();
    isRemoved();
    remove();
  }

  try {
    await hub.start();
    const key = firstKeyIn(hub.log());
    // Before the services: the first thing that some of them do is to subscribe
    // their address there.
    front = await startFront({ folder, ...setup.addresses, routes: example.routes ?? {} });
    for (const service of serviceParts(setup, key)) {
      parts.push(service);
      await service.start();
    }
    const { hub: hubUrl, site } = setup.addresses;
    return { example, url: site, hub: { url: hubUrl }, key, secret: SECRET, parts, front, part, stop };
  } catch (error) {
    await stop();
    throw error;
  }

  function part(wanted: string): Part {
    const found = parts.find((each) => each.name === wanted);
    if (found === undefined)
      throw new Error(`No part is called ${wanted}. There are: ${parts.map((each) => each.name).join(', ')}.`);
    return found;
  }
}

/** The hub prints its first key once, when it creates its data folder. */
function firstKeyIn(log: string): string {
  const [, key] = /"firstKey":"(pck_\w+)"/.exec(log) ?? [];
  if (key === undefined) throw new Error(`The hub has printed no key:\n${log}`);
  return key;
}
