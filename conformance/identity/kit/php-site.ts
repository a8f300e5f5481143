import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as yaml from 'yaml';
import { atExit } from '../../kit/at-exit.ts';
import { temporaryFolder } from '../../kit/folders.ts';
import { startHubProcess, type HubProcess } from '../../kit/hub-process.ts';
import { unusedPort } from '../../../scripts/unused-port.ts';
import { until } from '../../kit/wait.ts';
import { createKey, firstKey } from './keys.ts';

const EXAMPLE = join(import.meta.dirname, '../../../examples/php-site');
/** The site's name in the configuration of the example. */
const SHOWN_SITE = 'http://127.0.0.1:3000';

/** The example as in its README: `php -S`, and a hub on another port. */
export interface PhpSite {
  readonly url: string;
  readonly hub: HubProcess;
  /** The warnings and errors of PHP. */
  readonly phpErrors: () => readonly string[];
}

export async function startPhpSite(): Promise<PhpSite> {
  // The hub receives the site's address before the site listens.
  const port = await unusedPort();
  const url = `http://127.0.0.1:${port}`;
  const configuration = readFileSync(join(EXAMPLE, 'polycast.yaml'), 'utf8').replaceAll(SHOWN_SITE, url);
  const { listen: _listen, ...config } = yaml.parse(configuration) as Configuration;
  const hub = await startHubProcess({ config: { access: 'rules', ...config } });
  const key = await createKey(hub.url, await firstKey(hub), 'the site', SITE_SCOPES);
  const php = spawn(
    'php',
    ['-d', `session.save_path=${temporaryFolder('php')}`, '-S', `127.0.0.1:${port}`, 'site/index.php'],
    {
      cwd: EXAMPLE,
      env: { ...process.env, POLYCAST_URL: hub.url, POLYCAST_KEY: key, POLYCAST_SECRET: config.identity.site.secret },
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  atExit(() => void php.kill('SIGKILL'));
  let log = '';
  php.stderr.setEncoding('utf8').on('data', (text: string) => (log += text));
  await until('PHP listens', () => log.includes('started'));
  return {
    url,
    hub,
    phpErrors: () => log.split('\n').filter((line) => /PHP (?:Warning|Fatal|Notice|Deprecated)/.test(line)),
  };
}

/** The README's options for the key. */
const SITE_SCOPES = { publish: ['news.>', 'polycast.private.>'], users: ['>'] };

interface Configuration extends Readonly<Record<string, unknown>> {
  readonly identity: { readonly site: { readonly secret: string } };
}
