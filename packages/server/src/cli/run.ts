import { runCommandLine } from './command-line.ts';
import { exitOnBrokenPipe } from './broken-pipe.ts';
import { createTerminal } from './terminal.ts';

process.stdout.on('error', exitOnBrokenPipe);

process.exitCode = await runCommandLine(process.argv.slice(2), createTerminal(process.stdout, process.stderr));
