#!/usr/bin/env node
import { runCommandLine } from './command-line.ts';
import { EXIT_CODES } from './exit-codes.ts';
import { createTerminal } from './terminal.ts';

// The reader of a pipe may go first: `polycast follow '>' | head`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(EXIT_CODES.done.code);
  throw error;
});

process.exitCode = await runCommandLine(process.argv.slice(2), createTerminal(process.stdout, process.stderr));
