import { createReadStream, statSync } from 'node:fs';
import http from 'node:http';
import { Transform, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { CliError, type ExitName } from '../../exit-codes.ts';
import { authorization, keyHint, unreachable, type HubAddress } from '../../hub-address.ts';
import { envelopeLines } from './envelope-lines.ts';
import { describeProblem, readProblem } from '../../problem-document.ts';
import type { OutputMode } from './publish-one.ts';
import { PublishReport } from './publish-report.ts';
import type { Terminal } from '../../terminal.ts';

export interface EventStream {
  readonly hub: HubAddress;
  /** `-` is standard input. */
  readonly file: string;
  /** When given, each line is the data of an event of this channel. */
  readonly channel: string | undefined;
  readonly type: string | undefined;
  readonly idempotencyKey: string | undefined;
}

/**
 * Publishes lines as it reads them, and reads the results as they arrive (PROTOCOL.md section 8.1,
 * NDJSON).
 */
export async function publishStream(stream: EventStream, mode: OutputMode, terminal: Terminal): Promise<ExitName> {
  const { source, bytes } = open(stream.file);
  const report = new PublishReport(bytes, mode, terminal);
  const counted = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      report.sent(chunk.length);
      done(null, chunk);
    },
  });
  const request = createRequest(stream);
  const answered = readAnswer(request, stream.hub, report);
  const lines = stream.channel === undefined ? [] : [envelopeLines(stream.channel, stream.type)];
  // A refusal may end the request before all lines are sent. The answer, awaited below, gives the
  // reason.
  const sent = pipeline([source, counted, ...lines, request]).catch(async (error: unknown) => {
    if (request.res === undefined) request.destroy(error as Error);
  });
  try {
    await Promise.all([answered, sent]);
  } catch (error) {
    report.stop();
    if (error instanceof CliError) throw error;
    throw report.results === 0 ? unreachable(stream.hub.url, error) : brokenError(report, error, stream.idempotencyKey);
  }
  return report.finish();
}

function open(file: string): { readonly source: Readable; readonly bytes: number | undefined } {
  if (file === '-') return { source: process.stdin, bytes: undefined };
  try {
    const stat = statSync(file);
    return {
      source: createReadStream(file, { highWaterMark: 256 * 1024 }),
      bytes: stat.isFile() ? stat.size : undefined,
    };
  } catch (error) {
    throw new CliError('failed', `the file cannot be read: ${(error as Error).message}`);
  }
}

function createRequest({ hub, idempotencyKey }: EventStream): http.ClientRequest & { res?: http.IncomingMessage } {
  // Not by an import, which would load TLS at each start.
  const client = hub.url.startsWith('https:') ? process.getBuiltinModule('node:https') : http;
  const headers = {
    ...authorization(hub),
    'content-type': 'application/x-ndjson',
    ...(idempotencyKey !== undefined && { 'idempotency-key': idempotencyKey }),
  };
  return client.request(`${hub.url}/v1/events`, { method: 'POST', headers });
}

function readAnswer(request: http.ClientRequest, hub: HubAddress, report: PublishReport): Promise<void> {
  return new Promise((resolve, reject) => {
    request.on('error', reject);
    request.on('response', (response) => {
      const status = response.statusCode ?? 0;
      const refusal: Buffer[] = [];
      response.on('data', (chunk: Buffer) => (status === 200 ? report.received(chunk) : refusal.push(chunk)));
      response.on('error', reject);
      response.on('end', () => {
        if (status === 200) return resolve();
        const problem = readProblem(Buffer.concat(refusal).toString('utf8'), status);
        request.destroy();
        reject(new CliError('failed', `refused: ${describeProblem(problem)}`, keyHint(hub, problem.code)));
      });
    });
  });
}

function brokenError(report: PublishReport, error: unknown, key: string | undefined): CliError {
  const retryHint =
    key === undefined
      ? 'With --idempotency-key KEY from the beginning, you could repeat the command without publishing any event twice'
      : 'Repeat the same command: because of its --idempotency-key no event is published twice';
  return new CliError(
    'unreachable',
    `the connection broke after ${report.results} results (${(error as Error).message})`,
    retryHint,
  );
}
