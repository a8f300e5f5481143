import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { runCli, startTestHub, temporaryFolder } from '../../../testing.ts';

const ENTRY = join(import.meta.dirname, '../../../polycast.ts');

/**
 * Runs a command on a terminal of its own, a pty. It prints, as JSON, the output, the exit code,
 * and whether the terminal's modes are as before. It waits for each text, then sends the keys or
 * the size that come after it.
 */
const TERMINAL = String.raw`
import fcntl, json, os, pty, select, signal, struct, sys, termios
steps, command = json.loads(sys.argv[1]), sys.argv[2:]
size = lambda rows, columns: struct.pack('HHHH', rows, columns, 0, 0)
is_set_up, set_up = os.pipe()
pid, fd = pty.fork()
if pid == 0:
    os.read(is_set_up, 1) # the command begins with the size of the terminal
    os.environ['TERM'] = 'xterm-256color'
    os.execv(command[0], command)
fcntl.ioctl(fd, termios.TIOCSWINSZ, size(24, 80))
before = termios.tcgetattr(fd)
os.write(set_up, b'!')
output, seen = b'', 0
for step in steps:
    while step['until'].encode() not in output[seen:]:
        ready, _, _ = select.select([fd], [], [], 30)
        if not ready: sys.exit('waited for ' + step['until'] + ' in ' + repr(output[seen:]))
        output += os.read(fd, 65536)
    seen = len(output)
    if 'size' in step: fcntl.ioctl(fd, termios.TIOCSWINSZ, size(*step['size']))
    if 'keys' in step: os.write(fd, step['keys'].encode())
    if 'file' in step: open(step['file'], 'w').close()
    if 'signal' in step: os.kill(pid, getattr(signal, step['signal']))
after = None
while True:
    try:
        data = os.read(fd, 65536)
        after = termios.tcgetattr(fd)
    except OSError: break
    if not data: break
    output += data
_, status = os.waitpid(pid, 0)
print(json.dumps({'output': output.decode(), 'code': os.waitstatus_to_exitcode(status), 'restored': before == after}))
`;

interface Step {
  readonly until: string;
  readonly keys?: string;
  readonly size?: readonly [rows: number, columns: number];
  readonly signal?: string;
  /** It makes this file, which says that the text was there. */
  readonly file?: string;
}

interface Outcome {
  readonly output: string;
  readonly code: number;
  readonly restored: boolean;
}

/** Runs `polycast top` on a pty of 80 by 24. */
async function topOnTerminal(url: string, steps: readonly Step[]): Promise<Outcome> {
  const file = join(temporaryFolder(), 'terminal.py');
  writeFileSync(file, TERMINAL);
  const child = spawn('python3', [file, JSON.stringify(steps), process.execPath, ENTRY, 'top', '--url', url]);
  onTestFinished(() => void child.kill('SIGKILL'));
  let [out, err] = ['', ''];
  child.stdout.on('data', (data: Buffer) => (out += String(data)));
  child.stderr.on('data', (data: Buffer) => (err += String(data)));
  await new Promise((resolve) => child.on('close', resolve));
  if (out === '') throw new Error(err);
  return JSON.parse(out) as Outcome;
}

const ENTER = '\u001B[?1049h\u001B[?25l';
const LEAVE = '\u001B[?25h\u001B[?1049l';

test('it redraws every second, follows the size of the terminal, and q leaves it clean', async () => {
  const { url } = await startTestHub();
  const timer = setInterval(() => void publish(url), 50);
  onTestFinished(() => clearInterval(timer));
  const { output, code, restored } = await topOnTerminal(url, [
    { until: 'q quits' },
    { until: 'events/s', size: [40, 140] },
    // A screen of 40 rows has its last line in row 40.
    { until: 'q quits' },
    { until: 'q quits', keys: 'q' },
  ]);
  expect({ code, restored }).toEqual({ code: 0, restored: true });
  expect(output.startsWith(ENTER)).toBe(true);
  expect(output.endsWith(LEAVE)).toBe(true);
  const screens = output.split('\u001B[H').slice(1);
  expect(screens[0]?.split('\r\n')).toHaveLength(24);
  expect(screens.at(-1)?.split('\r\n')).toHaveLength(40);
  // A busy machine may publish nothing in the second of a screen.
  expect(screens.some((screen) => /published\S* +\S*[1-9][\d.]* events\/s/.test(screen))).toBe(true);
});

test.each([
  ['Ctrl-C', { keys: '\u0003' }],
  ['SIGTERM', { signal: 'SIGTERM' }],
])('%s leaves a clean terminal', async (_name, step) => {
  const { url } = await startTestHub();
  const { output, code, restored } = await topOnTerminal(url, [{ until: 'q quits', ...step }]);
  expect({ code, restored }).toEqual({ code: 0, restored: true });
  expect(output.endsWith(LEAVE)).toBe(true);
});

test('a hub that ends, and another one in its place, are shown without an end of the view', async () => {
  const hub = await startTestHub();
  const drawn = join(temporaryFolder(), 'drawn');
  const running = topOnTerminal(hub.url, [
    { until: 'q quits', file: drawn },
    { until: 'does not answer', keys: 'q' },
  ]);
  await vi.waitFor(() => expect(existsSync(drawn)).toBe(true));
  await hub.close();
  expect((await running).code).toBe(0);
});

test('--once and a pipe print one sample as text; --json prints one document', async () => {
  const { url } = await startTestHub();
  const [text, piped, json] = await Promise.all([
    runCli(['top', '--once', '--url', url]),
    runCli(['top', '--url', url]),
    runCli(['top', '--json', '--url', url]),
  ]);
  for (const { code, out } of [text, piped]) {
    expect(code).toBe(0);
    expect(out).toMatch(/^ polycast top .*\npublished +0 events\/s/);
    expect(out).not.toContain('\u001B');
  }
  expect(JSON.parse(json.out)).toMatchObject({ ready: true, in: { eventsPerSecond: 0 }, slowConsumers: [] });
});

async function publish(url: string): Promise<void> {
  await fetch(`${url}/v1/channels/a/events`, { method: 'POST', body: '1' }).catch(() => undefined);
}
