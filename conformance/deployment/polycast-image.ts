import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { pack } from '../../scripts/pack.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { importDistrolessImage, importNodeImage } from './base-images.ts';
import type { ContainerEngine } from './container-engine.ts';

/** Where a container has the certificates of authorities that this machine trusts. */
const AUTHORITIES = '/authorities.pem';
const SOURCE = join(import.meta.dirname, '../../operate');

/**
 * Builds the image `polycast` by the Containerfile, as the guide does, with the package of these
 * sources. Returns a copy of `operate/` with the package in it.
 */
export async function buildPolycastImage(engine: ContainerEngine): Promise<string> {
  importNodeImage(engine, 'docker.io/library/node:26-trixie-slim');
  importDistrolessImage(engine, 'gcr.io/distroless/nodejs26-debian13:nonroot');
  const operate = temporaryFolder('operate');
  cpSync(SOURCE, operate, { recursive: true });
  const tarballs = await pack(temporaryFolder('tarballs'));
  const tarball = tarballs.find((path) => /polycast-\d[^/]*$/.test(path)) as string;
  const context = join(operate, 'container');
  cpSync(tarball, join(context, basename(tarball)));
  const build = ['--format=docker', '--pull=never', '--tag=polycast', `--build-arg=PACKAGE=./${basename(tarball)}`];
  engine.build(...build, ...registryOptions(), context);
  return operate;
}

/** The registry, as the user of this machine has configured it, its cache, and its authorities. */
function registryOptions(): string[] {
  const file = join(homedir(), '.npmrc');
  const cache = execFileSync('npm', ['config', 'get', 'cache', '--loglevel=error'], { encoding: 'utf8' }).trim();
  const authorities = process.env['NODE_EXTRA_CA_CERTS'];
  const settings = join(temporaryFolder('npm-settings'), 'npmrc');
  const lines = [existsSync(file) ? readFileSync(file, 'utf8') : '', authorities ? `cafile=${AUTHORITIES}` : ''];
  writeFileSync(settings, lines.join('\n'));
  return [
    `--secret=id=npmrc,src=${settings}`,
    ...(existsSync(cache) ? [`--volume=${cache}:/root/.npm`] : []),
    ...(authorities ? [`--volume=${realpathSync(authorities)}:${AUTHORITIES}:ro`] : []),
  ];
}
