import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Case, Step, Turn } from './case.ts';

const FOLDER = join(import.meta.dirname, '../transcripts');

/**
 * The golden transcripts: one case per file. The head has `name:`, `sections:` and optionally
 * `needs:` and `websocket:`. Below, `> ` begins a line of the client, `< ` a line of the server,
 * `publish ` an event of another client, `close ` the end.
 */
export function readTranscripts(): readonly Case[] {
  return readdirSync(FOLDER)
    .toSorted()
    .map((file) => parseTranscript(readFileSync(join(FOLDER, file), 'utf8')));
}

function parseTranscript(text: string): Case {
  const [head = '', ...blocks] = text.split(/^$/m).map((block) => block.replace(/^\n/, ''));
  const fields = new Map(
    head
      .trim()
      .split('\n')
      .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
  );
  const needs = fields.get('needs') === 'rules' ? ({ needs: 'rules' } as const) : {};
  return {
    name: fields.get('name') ?? '',
    sections: (fields.get('sections') ?? '').split(' '),
    ...needs,
    steps: blocks.map(stepOf),
  };
}

/**
 * A block that begins with `websocket PATH` is a conversation. Any other block is a dialogue on its
 * own connection.
 */
function stepOf(block: string): Step {
  const lines = block.trimEnd().split('\n');
  const [, path] = /^websocket (\S+)$/.exec(lines[0] ?? '') ?? [];
  if (path === undefined) return { http: lines.map(turnOf) };
  return { webSocket: path, turns: lines.slice(1).map(turnOf) };
}

function turnOf(line: string): Turn {
  if (line.startsWith('>')) return { send: line.slice(2) };
  if (line.startsWith('<')) return { receive: line.slice(2) };
  if (line.startsWith('publish ')) return { publish: line.slice(8) };
  if (line.startsWith('close ')) return { close: Number(line.slice(6)) };
  throw new Error(`A transcript has no such line: ${line}`);
}
