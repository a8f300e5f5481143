import { execFileSync } from 'node:child_process';
import { chownSync, existsSync, lstatSync, mkdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { temporaryFolder } from '../kit/folders.ts';
import type { ContainerEngine } from './container-engine.ts';

/**
 * Images that a Containerfile begins from, made of the packages of this Debian: a machine that
 * tests need not reach a registry of images. An image here has the same programs at the same paths,
 * and the same user, as the real one; other files are missing.
 */
const LIBRARIES = ['libc6', 'libatomic1', 'libgcc-s1', 'libstdc++6', 'ca-certificates', 'netbase'];
const SHELL = ['dash', 'coreutils', 'libselinux1', 'libpcre2-8-0', 'libacl1', 'libattr1', 'libgmp10'];

interface Image {
  /** Debian's packages of which it has the programs and libraries. */
  readonly packages: readonly string[];
  /** Files and folders of this machine, and their paths in the image. */
  readonly copies: readonly (readonly [source: string, target: string])[];
  /** An empty folder that belongs to a user, by number. */
  readonly owned?: readonly [folder: string, user: number];
  /** Instructions of a Containerfile. */
  readonly changes: readonly string[];
}

/** The image of Node.js for a stage that builds, with npm and a shell. */
export function importNodeImage(engine: ContainerEngine, name: string): void {
  const npm = execFileSync('sh', ['-c', 'command -v npm'], { encoding: 'utf8' }).trim();
  importImage(engine, name, {
    packages: [...LIBRARIES, ...SHELL],
    copies: [
      [realpathSync(process.execPath), 'usr/local/bin/node'],
      // Its command is npm/bin/npm-cli.js.
      [join(realpathSync(npm), '../..'), 'usr/local/lib/node_modules/npm'],
    ],
    changes: ['ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
  });
}

/** The image of Node.js without a shell. */
export function importDistrolessImage(engine: ContainerEngine, name: string): void {
  importImage(engine, name, {
    packages: LIBRARIES,
    copies: [[realpathSync(process.execPath), 'nodejs/bin/node']],
    changes: ['USER 65532', 'ENTRYPOINT ["/nodejs/bin/node"]'],
  });
}

/** The image of Caddy, with Debian's program. */
export function importCaddyImage(engine: ContainerEngine, name: string): void {
  importImage(engine, name, {
    packages: [...LIBRARIES, 'libzstd1'],
    copies: [['/usr/bin/caddy', 'usr/bin/caddy']],
    changes: [
      'ENV XDG_CONFIG_HOME=/config',
      'ENV XDG_DATA_HOME=/data',
      'CMD ["/usr/bin/caddy","run","--config","/etc/caddy/Caddyfile","--adapter","caddyfile"]',
    ],
  });
}

/** The image of Prometheus, with Debian's program. */
export function importPrometheusImage(engine: ContainerEngine, name: string): void {
  importImage(engine, name, {
    packages: LIBRARIES,
    copies: [['/usr/bin/prometheus', 'bin/prometheus']],
    owned: ['prometheus', 65_534],
    changes: ['USER 65534', 'VOLUME /prometheus', 'ENTRYPOINT ["/bin/prometheus"]'],
  });
}

function importImage(engine: ContainerEngine, name: string, { packages, copies, owned, changes }: Image): void {
  const folder = temporaryFolder('image');
  const archive = join(folder, 'image.tar');
  const list = join(folder, 'files');
  writeFileSync(list, filesOf(packages).join('\n'));
  const root = rootFolder(folder);
  if (owned !== undefined) {
    mkdirSync(join(root, owned[0]));
    chownSync(join(root, owned[0]), owned[1], owned[1]);
  }
  const parts = [`--directory=${root}`, '.', '--directory=/', `--files-from=${list}`];
  for (const [source, target] of copies) {
    const top = basename(source);
    parts.push(`--directory=${dirname(source)}`, `--transform=s,^${top}\\(/\\|$\\),${target}\\1,SH`, top);
  }
  execFileSync('tar', ['--create', `--file=${archive}`, ...parts]);
  engine.podman('import', ...changes.flatMap((change) => ['--change', change]), archive, name);
}

/**
 * The files of packages, without a leading slash, and this machine's certificates of authorities.
 */
function filesOf(packages: readonly string[]): string[] {
  const listed = execFileSync('dpkg', ['--listfiles', ...packages], { encoding: 'utf8' }).split('\n');
  const files = listed.filter((path) => !path.startsWith('/usr/share/') && isFile(path));
  const certificates = ['/etc/ssl/certs', '/usr/share/ca-certificates', '/usr/local/share/ca-certificates'];
  return [...new Set(files), ...certificates.filter((path) => existsSync(path))].map((path) => path.slice(1));
}

function isFile(path: string): boolean {
  const found = lstatSync(path, { throwIfNoEntry: false });
  return found !== undefined && !found.isDirectory();
}

/** Empty folders, and files that installers write. */
function rootFolder(folder: string): string {
  const root = join(folder, 'root');
  // `/lib` and others are links into `usr`.
  const folders = ['usr/lib', 'usr/lib64', 'usr/bin', 'usr/sbin', 'usr/local/bin', 'etc', 'tmp', 'proc', 'sys', 'dev'];
  for (const name of folders) mkdirSync(join(root, name), { recursive: true });
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0::/root:/\nnonroot:x:65532:65532::/home/nonroot:/\n');
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\nnonroot:x:65532:\n');
  symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', join(root, 'usr/local/bin/npm'));
  return root;
}
