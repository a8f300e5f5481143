import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { packagesOf } from '../../conformance/third-party/packages.ts';
import { parseConfig } from '../../packages/server/src/config/parse.ts';
import { startHub } from '../../packages/server/src/main.ts';
import { readPages } from './blocks.ts';

/** The guide's programs with WebSocket libraries of other languages, run with a real hub. */
const blocks = readPages(join(import.meta.dirname, '../..')).get('docs/guides/websocket.md') ?? [];
const INSTALLATION_MS = 400_000;
/** The first program in Go also compiles Go's own packages. */
const START_MS = 200_000;
const PROGRAMS = [
  { language: 'python', file: 'chat.py', commandIn: (folder: string) => [join(folder, 'venv/bin/python')] },
  { language: 'go', file: 'chat.go', commandIn: () => ['go', 'run'] },
] as const;

test.for(PROGRAMS)(
  'the program in $language subscribes, publishes, and reads its event',
  { timeout: INSTALLATION_MS },
  async ({ language, file, commandIn }, { skip }) => {
    const { folder, missing } = await packagesOf(language);
    skip(missing !== undefined, missing);
    const hub = await startHub(parseConfig(CONFIGURATION));
    onTestFinished(() => hub.close());
    // In a folder of its own, below the module whose go.mod names the library.
    const home = join(folder, `guide-${process.pid}`);
    mkdirSync(home, { recursive: true });
    onTestFinished(() => rmSync(home, { recursive: true, force: true }));
    const source = blocks.find((block) => block.language === language)?.text ?? '';
    writeFileSync(join(home, file), source.replace('127.0.0.1:7400', new URL(hub.url).host));

    const [command = '', ...args] = commandIn(folder);
    const child = spawn(command, [...args, join(home, file)], { cwd: folder, detached: true });
    onTestFinished(async () => {
      const gone = once(child, 'exit');
      process.kill(-(child.pid as number), 'SIGKILL');
      await gone;
    });
    let printed = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (printed += text));
    await expect.poll(() => printed, { timeout: START_MS }).toContain('"channel":"chat.lobby","time"');
    expect(printed).toMatch(/"op":"subscribe","ref":"news","ok":true/);
    expect(printed).toMatch(/"data":"hello"/);
  },
);

const CONFIGURATION = {
  listen: '127.0.0.1:0',
  data: ':memory:',
  access: 'loopback',
  logging: { level: 'silent' },
};
