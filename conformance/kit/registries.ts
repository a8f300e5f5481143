import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { basename, join } from 'node:path';

/**
 * Third-party packages, installed by their registry's ordinary client into a temporary folder that
 * later runs use again. A recipe is a folder of programs with a manifest of their packages and
 * versions: `package.json`, `requirements.txt`, `go.mod`, `pom.xml`. An unchanged recipe uses the
 * same folder; a changed one is installed again.
 */
export interface Recipe {
  /** A hash of the programs and the manifest. */
  readonly folder: string;
  /** Run one after the other in a copy of the folder. */
  readonly steps: readonly (readonly [program: string, ...args: readonly string[]])[];
  /** Required programs, each with an argument for which it ends immediately. */
  readonly toolchain: readonly (readonly [program: string, argument: string])[];
}

export type Installed =
  | { readonly folder: string }
  /**
   * A toolchain or a registry is missing. The reason is printed, and the tests that need the
   * packages are skipped.
   */
  | { readonly missing: string };

/** After this time the registry counts as unreachable. */
const STEP_TIMEOUT_MS = 300_000;

export async function install(recipe: Recipe): Promise<Installed> {
  const base = join(tmpdir(), `polycast-packages-${userInfo().uid}`);
  const folder = join(base, `${basename(recipe.folder)}-${fingerprint(recipe)}`);
  if (existsSync(folder)) return { folder };
  for (const [program, argument] of recipe.toolchain) {
    const { code } = await run([program, argument], process.cwd());
    if (code !== 0) return skipped(`${program} is not installed`);
  }
  mkdirSync(base, { recursive: true, mode: 0o700 });
  // Under a temporary name until it is complete, because another run may look for it.
  const draft = mkdtempSync(join(base, 'draft-'));
  cpSync(recipe.folder, draft, { recursive: true });
  for (const step of recipe.steps) {
    const { code, output } = await run(step, draft);
    if (code === 0) continue;
    rmSync(draft, { recursive: true, force: true });
    return skipped(`"${step.join(' ')}" ended with ${code}: ${output.slice(-600)}`);
  }
  try {
    renameSync(draft, folder);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    if (!existsSync(folder)) throw error;
  }
  return { folder };
}

/** Always printed, so that the output shows which toolchains are missing. */
function skipped(missing: string): Installed {
  process.stderr.write(`\n*** Clients of others are SKIPPED: ${missing}\n\n`);
  return { missing };
}

function fingerprint({ folder, steps }: Recipe): string {
  const hash = createHash('sha256').update(JSON.stringify(steps));
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }).toSorted()) {
    const path = join(folder, name);
    hash.update(name);
    if (statSync(path).isFile()) hash.update(readFileSync(path));
  }
  return hash.digest('hex').slice(0, 16);
}

function run(
  [program, ...args]: readonly [string, ...(readonly string[])],
  cwd: string,
): Promise<{
  readonly code: number | null;
  readonly output: string;
}> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'], timeout: STEP_TIMEOUT_MS });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.on('error', (error) => resolve({ code: -1, output: String(error) }));
    child.on('close', (code) => resolve({ code, output }));
  });
}
