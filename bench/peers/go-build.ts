// Builds peers in Go from the module proxy, once, into the git-ignored work folder.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { workFolder } from '../harness/folders.ts';
import { outputOf } from '../harness/processes.ts';

const binaryFolder = join(workFolder, 'go');
const buildTimeoutMs = 600_000;
const failures = new Map<string, string>();

export function goBinary(name: string): string {
  return join(binaryFolder, name);
}

/** Programs of `go install` do not know their own version. The toolchain reads it from the file. */
export function goVersion(name: string): string {
  const facts = outputOf('go', 'version', '-m', goBinary(name)) ?? '';
  const [, toolchain] = /: (go\S+)/.exec(facts) ?? [];
  const [, version] = /\tmod\t\S+\t(\S+)/.exec(facts) ?? [];
  return version === undefined ? 'unknown version' : `${name} ${version}, ${toolchain}`;
}

/**
 * Builds the program unless it exists. Returns undefined if it exists, otherwise the error as a
 * sentence.
 */
export function goBinaryMissing(name: string, module: string): string | undefined {
  if (existsSync(goBinary(name))) return undefined;
  if (outputOf('go', 'version') === undefined) return 'there is no Go toolchain here to build it';
  const cached = failures.get(name);
  if (cached !== undefined) return cached;
  spawnSync('go', ['install', module], {
    env: { ...process.env, GOBIN: binaryFolder },
    stdio: 'ignore',
    timeout: buildTimeoutMs,
  });
  if (existsSync(goBinary(name))) return undefined;
  const reason = `go install ${module} failed: the module proxy does not give it out here`;
  failures.set(name, reason);
  return reason;
}
