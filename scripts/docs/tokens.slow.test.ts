import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import * as yaml from 'yaml';
import { parseConfig } from '../../packages/server/src/config/parse.ts';
import { startHub } from '../../packages/server/src/main.ts';
import { readPages } from './blocks.ts';

/**
 * The guide's programs for backends in other languages, run with a hub that is configured as in the
 * guide.
 */
const blocks = readPages(join(import.meta.dirname, '../..')).get('docs/guides/tokens.md') ?? [];
const PROGRAMS = [
  { language: 'php', command: 'php', args: [], file: 'token.php' },
  { language: 'python', command: 'python3', args: [], file: 'token.py' },
  { language: 'go', command: 'go', args: ['run'], file: 'token.go' },
];

const isThere = (command: string): boolean =>
  spawnSync(command, [command === 'go' ? 'version' : '--version']).status === 0;

test.for(PROGRAMS)(
  'the program in $language signs a token that the hub accepts, and sends a message',
  async (program, { skip }) => {
    const { language, command, args, file } = program;
    if (!isThere(command)) skip(`${command} is not on this machine`);
    const folder = mkdtempSync(join(tmpdir(), 'polycast-tokens-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const configuration = blocks.find((block) => block.language === 'yaml');
    const source = blocks.find((block) => block.language === language);
    const secret = 'one that only the two of them know';
    process.env['JWT_SECRET'] = secret;
    onTestFinished(() => void delete process.env['JWT_SECRET']);
    const hub = await startHub(
      parseConfig({
        ...(yaml.parse(configuration?.text ?? '') as object),
        listen: '127.0.0.1:0',
        data: folder,
        logging: { level: 'silent' },
      }),
    );
    onTestFinished(() => hub.close());
    const path = join(folder, file);
    writeFileSync(path, source?.text ?? '');

    const env = { ...process.env, POLYCAST_URL: hub.url, POLYCAST_KEY: hub.firstKey, JWT_SECRET: secret };
    const { stdout } = await promisify(execFile)(command, [...args, path], { env });
    const headers = { Authorization: `Bearer ${stdout.trim()}` };
    const answer = await fetch(`${hub.url}/v1/events?channel=@me&after=earliest`, { headers });
    expect(await answer.json()).toMatchObject({ events: [{ data: { letter: 'Your order is baked.' } }] });
  },
);
