import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { pack } from '../../scripts/pack.ts';
import { temporaryFolder } from '../kit/folders.ts';

/**
 * The package `polycast`, built from these sources and installed by npm as the deployment guide
 * does: `bin/polycast` below the returned folder is the command.
 */
export async function installPackage(): Promise<string> {
  const folder = temporaryFolder('installed');
  const tarballs = await pack(join(folder, 'tarballs'));
  const server = tarballs.find((tarball) => /polycast-\d[^/]*$/.test(tarball)) as string;
  const options = ['--global', '--omit=dev', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'];
  execFileSync('npm', ['install', ...options, '--prefix', join(folder, 'polycast'), server], { stdio: 'inherit' });
  return join(folder, 'polycast');
}
