import { createInterface } from 'node:readline';
import { styleText } from 'node:util';
import { exampleNames, loadExample } from './example.ts';
import { startExample, type RunningExample } from './start-example.ts';

/**
 * `npm run example -- NAME` runs an example until Ctrl-C. While it runs, a line of input is a
 * command for its parts: `kill worker-2`. Without a name it lists the examples.
 */
const COMMANDS: Readonly<Record<string, (running: RunningExample, part: string) => unknown>> = {
  kill: (running, part) => running.part(part).kill('SIGKILL'),
  start: (running, part) => running.part(part).start(),
  restart: async (running, part) => {
    await running.part(part).kill();
    await running.part(part).start();
  },
  pause: (running, part) => running.part(part).pause(),
  resume: (running, part) => running.part(part).resume(),
  cut: ({ front }) => front.cut(),
  mend: ({ front }) => front.mend(),
};

const [name] = process.argv.slice(2);
if (name === undefined) await list();
else await run(name);

async function list(): Promise<void> {
  const names = exampleNames();
  const width = Math.max(...names.map(({ length }) => length));
  for (const each of names)
    console.log(`${styleText('cyan', each.padEnd(width))}  ${(await loadExample(each)).summary}`);
  console.log('\nnpm run example -- NAME');
}

async function run(example: string): Promise<void> {
  // Installed first: Ctrl-C during the start also ends what has been started.
  const { promise: stopped, resolve: stop } = Promise.withResolvers<void>();
  let isStopping = false;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => {
      // A second one does not wait for the parts: they are killed at the exit.
      if (isStopping) process.exit(1);
      isStopping = true;
      stop();
    });
  const running = await startExample(example, { onLine: print });
  const names = running.parts.map((part) => part.name).join(', ');
  console.log(`\n${styleText('bold', running.example.title)}  ${styleText('cyan', running.url)}`);
  console.log(styleText('dim', `The hub is ${running.hub.url}. Its key: ${running.key}`));
  console.log(
    styleText(
      'dim',
      `Type ${Object.keys(COMMANDS).slice(0, 5).join(', ')} and a part (${names}), or cut, mend. Ctrl-C ends.\n`,
    ),
  );
  const input = createInterface({ input: process.stdin });
  input.on('line', (line) => void obey(running, line));
  await stopped;
  input.close();
  await running.stop();
}

function print(part: string, line: string): void {
  // The hub's first line is for this program.
  if (!line.startsWith('{"url":')) console.log(`${styleText('dim', part.padEnd(10))} ${line}`);
}

async function obey(running: RunningExample, line: string): Promise<void> {
  const [word = '', part = ''] = line.trim().split(/\s+/);
  try {
    const command = COMMANDS[word];
    if (command === undefined) throw new Error(`"${word}" is none of ${Object.keys(COMMANDS).join(', ')}`);
    await command(running, part);
    console.log(styleText('dim', `done: ${line.trim()}`));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
  }
}
