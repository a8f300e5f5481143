import { readFile } from 'node:fs/promises';
import type { Input } from '../../command.ts';
import { CliError } from '../../exit-codes.ts';
import { readStandardInput } from '../../input.ts';
import type { CapturedRequest } from './diagnosis.ts';

interface CaptureResult {
  readonly request: CapturedRequest;
  /** Further requests follow it in the same file. */
  readonly hasMore: boolean;
}

/**
 * Reads a captured request. A file that begins like an HTTP request is one, with headers and body.
 * Any other file is the body; flags or a file of headers give the rest. Flags take precedence.
 * @throws CliError `usage`
 */
export async function readCapturedRequest(input: Input): Promise<CaptureResult> {
  const [name = '-'] = input.arguments;
  const file =
    name === '-'
      ? await readStandardInput('Give a file, or pipe one in: polycast webhook verify request.http --secret whsec_…')
      : await read(name);
  const whole = parseRawRequest(file);
  const headersFile = input.text('headers');
  const headers = headersOf(whole?.head ?? (headersFile === undefined ? '' : (await read(headersFile)).toString()));
  const request = {
    id: input.text('id') ?? headers.get('webhook-id'),
    timestamp: input.text('timestamp') ?? headers.get('webhook-timestamp'),
    signature: input.text('signature') ?? headers.get('webhook-signature'),
    body: whole?.body ?? file,
  };
  return { request, hasMore: whole?.hasMore ?? false };
}

async function read(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new CliError('usage', `${path} cannot be read: ${(error as Error).message}`);
  }
}

interface RawRequest {
  readonly head: string;
  readonly body: Buffer;
  readonly hasMore: boolean;
}

function parseRawRequest(bytes: Buffer): RawRequest | undefined {
  if (!/^[A-Z]+ \S+ HTTP\/\d/.test(bytes.subarray(0, 4096).toString('latin1'))) return undefined;
  const ends = ['\r\n\r\n', '\n\n'].map((end) => ({ at: bytes.indexOf(end), length: end.length }));
  const end = ends.filter(({ at }) => at >= 0).toSorted((one, other) => one.at - other.at)[0];
  if (end === undefined) return { head: bytes.toString('latin1'), body: Buffer.alloc(0), hasMore: false };
  const head = bytes.subarray(0, end.at).toString('latin1');
  return { head, ...bodyOf(head, bytes.subarray(end.at + end.length)) };
}

/**
 * The body without the text after it in the file. By `content-length` the body ends before a final
 * line break, or before a line break and another request. Any other extra bytes are a change of the
 * body, which the diagnosis has to find.
 */
function bodyOf(head: string, rest: Buffer): { readonly body: Buffer; readonly hasMore: boolean } {
  const lengthBytes = Number(/^content-length\s*:\s*(\d+)\s*$/im.exec(head)?.[1] ?? rest.length);
  const after = rest.subarray(lengthBytes, lengthBytes + 4096).toString('latin1');
  const hasMore = /^\r?\n[A-Z]+ \S+ HTTP\/\d/.test(after);
  const isCut = hasMore || after === '\n' || after === '\r\n';
  return { body: isCut ? rest.subarray(0, lengthBytes) : rest, hasMore };
}

/** Parses lines of `Name: value`; repeated names are joined as in HTTP. */
function headersOf(text: string): Map<string, string> {
  const headers = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const [, name, value] = /^[>\s]*([\w-]+)\s*:\s*(.*?)\s*$/.exec(line) ?? [];
    if (name === undefined || value === undefined) continue;
    const before = headers.get(name.toLowerCase());
    headers.set(name.toLowerCase(), before === undefined ? value : `${before}, ${value}`);
  }
  return headers;
}
