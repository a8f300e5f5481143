#!/usr/bin/env node
import { runCommandLine } from './command-line.ts';
import { endWithReader } from './lost-reader.ts';
import { createTerminal } from './terminal.ts';

process.stdout.on('error', endWithReader);

process.exitCode = await runCommandLine(process.argv.slice(2), createTerminal(process.stdout, process.stderr));
