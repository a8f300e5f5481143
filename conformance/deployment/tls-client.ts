import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request, type RequestOptions } from 'node:https';
import { within } from '../kit/wait.ts';

/**
 * A server whose certificate an authority of its own has signed, at another address than its name.
 */
export interface TlsTarget {
  readonly host: string;
  readonly port: number;
  readonly servername: string;
  readonly ca: string;
  readonly agent: false;
}

/** Sends a request, and reads the whole answer. */
export async function send(
  target: TlsTarget,
  options: RequestOptions,
  body = '',
): Promise<{ readonly status: number | undefined; readonly text: string }> {
  const response = await respond(target, options, body);
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += chunk as string;
  return { status: response.statusCode, text };
}

/** An answer that does not end. */
export interface OpenAnswer {
  /** Waits until the text has arrived. */
  contains(text: string): Promise<void>;
  close(): void;
}

export async function open(target: TlsTarget, options: RequestOptions): Promise<OpenAnswer> {
  const response = await respond(target, options, '');
  let received = '';
  response.setEncoding('utf8').on('data', (chunk: string) => (received += chunk));
  response.on('error', () => undefined);
  return {
    async contains(text) {
      while (!received.includes(text)) await within(text, once(response, 'data'));
    },
    close: () => response.destroy(),
  };
}

async function respond(
  target: TlsTarget,
  { headers, ...options }: RequestOptions,
  body: string,
): Promise<IncomingMessage> {
  const outgoing = request({ ...target, ...options, headers: { ...(headers as object), Host: target.servername } });
  const [response] = (await once(outgoing.end(body), 'response')) as [IncomingMessage];
  return response;
}
