import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runInside, temporaryFolder } from '../testing.ts';

const lines: readonly [line: string, offered: readonly string[]][] = [
  ['polycast pub', ['publish']],
  ['polycast config ', ['check', 'print', 'reference']],
  ['polycast config check --s', ['--set']],
  ['polycast completion ', ['bash', 'zsh', 'fish']],
  ['polycast publish a --if', ['--if-match']],
];

test.each(lines)('bash completes "%s"', async (line, offered) => {
  const script = join(temporaryFolder(), 'completion.bash');
  writeFileSync(script, (await runInside(['completion', 'bash'])).out);
  const words = line.split(' ');
  const command = 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _polycast; echo "${COMPREPLY[@]}"';
  const completed = execFileSync('bash', ['-c', command, script, ...words], { encoding: 'utf8' });
  expect(completed.trim().split(' ')).toEqual(offered);
});

test.each(['zsh', 'fish'])('the completion for %s knows every command', async (shell) => {
  const { code, out } = await runInside(['completion', shell]);
  expect(code).toBe(0);
  for (const word of ['dev', 'serve', 'publish', 'config', 'content-type']) expect(out).toContain(word);
});
