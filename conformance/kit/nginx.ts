import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from './folders.ts';
import { unusedPort } from '../../scripts/unused-port.ts';

/** Debian's. */
const NGINX = '/usr/sbin/nginx';

export const hasNginx: boolean = spawnSync(NGINX, ['-v']).status === 0;

/**
 * Starts an nginx in the foreground.
 * @param http the content of its block `http`
 */
export async function spawnNginx(
  http: (folder: string, port: number) => string,
): Promise<{ readonly child: ChildProcess; readonly port: number }> {
  const folder = temporaryFolder('nginx');
  // Its workers run as the user `nobody`, who must be able to read the files.
  chmodSync(folder, 0o755);
  const port = await unusedPort();
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  );
  const file = join(folder, 'nginx.conf');
  writeFileSync(
    file,
    `daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log stderr error;
events { worker_connections 512; }
http {
  access_log off;
  ${temporary.join('\n  ')}
  ${http(folder, port)}
}
`,
  );
  return { child: spawn(NGINX, ['-p', folder, '-c', file], { stdio: 'inherit' }), port };
}
