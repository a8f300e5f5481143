import { get as httpGet } from 'node:http';
import WebSocket from 'ws';
import { call, type Reply } from '../kit/http.ts';
import { within } from '../kit/wait.ts';
import type { Credentials } from './callers.ts';
import { SESSION_COOKIE } from './kit/site.ts';
import { TOKEN_COOKIE } from './kit/tokens.ts';

/** The result: `allowed`, or the code of the refusal. For `HEAD`, which has no body, the status. */
export type Outcome = string;

/** The target of a read: channels, a start, and the data that proves that events arrived. */
export interface ReadTarget {
  readonly channel: string;
  /** `after=…` or `history=…`. */
  readonly from: string;
  readonly secret: string;
}

export type ReadMethod = (hub: string, credentials: Credentials, reading: ReadTarget) => Promise<Outcome>;

/** `GET /v1/events` in every form, and the same operation on an open socket. */
export const READ_METHODS: Readonly<Record<string, ReadMethod>> = {
  'short poll': (hub, credentials, reading) => poll(hub, credentials, reading, ''),
  'long poll': (hub, credentials, reading) => poll(hub, credentials, reading, '&wait=20'),
  HEAD: async (hub, credentials, reading) => {
    const { status, text } = await call(eventsUrl(hub, credentials, reading), {
      method: 'HEAD',
      headers: headersOf(credentials),
    });
    return status === 200 && text === '' ? 'allowed' : String(status);
  },
  SSE: (hub, credentials, reading) => within('an answer on a stream', stream(hub, credentials, reading)),
  WebSocket: (hub, credentials, reading) =>
    converse(hub, `?${target(credentials, reading)}`, headersOf(credentials), (text) =>
      text.includes(reading.secret) ? 'allowed' : undefined,
    ),
  'WebSocket, subscribe': (hub, credentials, reading) =>
    converse(hub, openingQuery(credentials), headersOf(credentials), subscribing(reading)),
};

/** With credentials in the first message in place of the handshake, which can be a token only. */
export const authThenSubscribe: ReadMethod = (hub, { token = '' }, reading) => {
  const subscribe = subscribing(reading);
  return converse(hub, '', {}, (text, socket) => {
    const message = JSON.parse(text) as Answer;
    if (message.op === 'ready') socket.send(JSON.stringify({ op: 'auth', ref: 'who', token }));
    else if (message.ref === 'who' && message.ok === true) socket.send(subscription(reading));
    else return subscribe(text, socket);
    return undefined;
  });
};

/** An event to publish, and the text that identifies it. */
export interface Publication {
  readonly channel: string;
  readonly data: string;
}

export type PublishMethod = (hub: string, credentials: Credentials, publication: Publication) => Promise<Outcome>;

const CLOUD_EVENT = { specversion: '1.0', type: 'tried', source: '/matrix' };

/** Every way to publish. */
export const PUBLISH_METHODS: Readonly<Record<string, PublishMethod>> = {
  'one event': (hub, credentials, publication) => post(hub, credentials, 'application/json', publication),
  array: (hub, credentials, publication) => post(hub, credentials, 'application/json', [publication]),
  lines: (hub, credentials, publication) => post(hub, credentials, 'application/x-ndjson', publication),
  CloudEvent: (hub, credentials, publication) =>
    post(hub, credentials, 'application/cloudevents+json', { ...CLOUD_EVENT, id: publication.data, ...publication }),
  CloudEvents: (hub, credentials, publication) =>
    post(hub, credentials, 'application/cloudevents-batch+json', [
      { ...CLOUD_EVENT, id: publication.data, ...publication },
    ]),
  'binary CloudEvent': async (hub, credentials, { channel, data }) => {
    const attributes = { ...CLOUD_EVENT, id: data, channel };
    const headers = Object.fromEntries(Object.entries(attributes).map(([name, value]) => [`ce-${name}`, value]));
    return outcomeOf(
      await call(`${hub}/v1/events`, {
        method: 'POST',
        headers: { ...headersOf(credentials), ...headers, 'Content-Type': 'application/json' },
        body: JSON.stringify(data),
      }),
    );
  },
  'bare data': async (hub, credentials, { channel, data }) =>
    outcomeOf(
      await call(`${hub}/v1/channels/${channel}/events`, {
        method: 'POST',
        headers: { ...headersOf(credentials), 'Content-Type': 'application/json' },
        body: JSON.stringify(data),
      }),
    ),
  WebSocket: (hub, credentials, publication) => operate(hub, credentials, { op: 'publish', ...publication }),
};

/** Any operation on an open socket. */
export function operate(hub: string, credentials: Credentials, operation: object): Promise<Outcome> {
  return converse(hub, openingQuery(credentials), headersOf(credentials), (text, socket) => {
    const message = JSON.parse(text) as Answer;
    if (message.op === 'ready') socket.send(JSON.stringify({ ...operation, ref: 'tried' }));
    return message.ref !== 'tried' ? undefined : message.ok === true ? 'allowed' : message.error?.code;
  });
}

/** Any request. It is allowed if its answer is a success. */
export async function request(
  hub: string,
  credentials: Credentials,
  {
    method,
    path,
    body,
    secret,
    headers,
  }: {
    method: string;
    path: string;
    body?: unknown;
    secret?: string;
    headers?: Readonly<Record<string, string>>;
  },
): Promise<Outcome> {
  if (body instanceof URLSearchParams) {
    // Forms are sent by another site's server: it has no cookies of the site. With cookies it would
    // be refused like a form of a page.
    const { token } = credentials;
    const headers = {
      'Content-Type': 'application/x-www-form-urlencoded',
      ...(token !== undefined && { Authorization: `Bearer ${token}` }),
    };
    return outcomeOf(await call(`${hub}${path}`, { method, headers, body: body.toString() }), secret);
  }
  const reply = await call(`${hub}${path}`, {
    method,
    // With a login, a change is accepted only if no form can have sent it (PROTOCOL.md section
    // 13.7).
    headers: {
      ...headersOf(credentials),
      ...(method === 'GET' ? {} : { 'Content-Type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (secret !== undefined && reply.status === 200 && !reply.text.includes(secret)) return `nothing in ${reply.text}`;
  return outcomeOf(reply, secret);
}

export function headersOf({ token, cookieToken, session }: Credentials): Record<string, string> {
  const cookies = [
    'theme=dark',
    ...(session === undefined ? [] : [`${SESSION_COOKIE}=${session}`]),
    ...(cookieToken === undefined ? [] : [`${TOKEN_COOKIE}=${cookieToken}`]),
  ];
  return {
    ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
    ...(cookies.length === 1 ? {} : { Cookie: cookies.join('; ') }),
  };
}

interface Answer {
  readonly op?: string;
  readonly ref?: string;
  readonly ok?: boolean;
  readonly error?: { readonly code: string };
}

async function poll(hub: string, credentials: Credentials, reading: ReadTarget, more: string): Promise<Outcome> {
  const reply = await call(eventsUrl(hub, credentials, reading) + more, { headers: headersOf(credentials) });
  if (reply.status === 200) return reply.text.includes(reading.secret) ? 'allowed' : `nothing in ${reply.text}`;
  return codeIn(reply.text, reading.secret);
}

function stream(hub: string, credentials: Credentials, reading: ReadTarget): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const headers = { ...headersOf(credentials), Accept: 'text/event-stream' };
    const request = httpGet(eventsUrl(hub, credentials, reading), { headers, agent: false }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
        if (answer.statusCode !== 200 || !text.includes(reading.secret)) return;
        resolve('allowed');
        request.destroy();
      });
      answer.on('end', () => resolve(codeIn(text, reading.secret)));
    });
    request.on('error', reject);
  });
}

async function post(hub: string, credentials: Credentials, mediaType: string, body: object): Promise<Outcome> {
  return outcomeOf(
    await call(`${hub}/v1/events`, {
      method: 'POST',
      headers: { ...headersOf(credentials), 'Content-Type': mediaType },
      body: JSON.stringify(body),
    }),
  );
}

/** In an array or in lines the refusal is in the result of the item. */
function outcomeOf({ status, text }: Reply, secret?: string): Outcome {
  const code = /"code":"(\w+)"/.exec(text)?.[1];
  return status < 300 && code === undefined ? 'allowed' : codeIn(text, secret);
}

function codeIn(text: string, secret: string | undefined): Outcome {
  if (secret !== undefined && text.includes(secret)) return `refused with the secret: ${text}`;
  return /"code":"(\w+)"/.exec(text)?.[1] ?? `no code in ${JSON.stringify(text)}`;
}

function eventsUrl(hub: string, credentials: Credentials, reading: ReadTarget): string {
  return `${hub}/v1/events?${target(credentials, reading)}`;
}

function target({ queryToken }: Credentials, { channel, from }: ReadTarget): string {
  return `channel=${channel}&${from}${queryToken === undefined ? '' : `&token=${queryToken}`}`;
}

/** For a socket that subscribes later. */
function openingQuery({ queryToken }: Credentials): string {
  return queryToken === undefined ? '' : `?token=${queryToken}`;
}

function subscription({ channel, from }: ReadTarget): string {
  const [name = '', value = ''] = from.split('=');
  const start = name === 'history' ? { history: Number(value) } : { [name]: value };
  return JSON.stringify({ op: 'subscribe', ref: 'tried', channels: [channel], ...start });
}

function subscribing(reading: ReadTarget): Listener {
  return (text, socket) => {
    if (text.includes(reading.secret)) return 'allowed';
    const message = JSON.parse(text) as Answer;
    if (message.op === 'ready') socket.send(subscription(reading));
    return message.ok === false ? message.error?.code : undefined;
  };
}

/** Receives each message. Its return value is the outcome. */
type Listener = (text: string, socket: WebSocket) => Outcome | undefined;

async function converse(
  hub: string,
  query: string,
  headers: Readonly<Record<string, string>>,
  listener: Listener,
): Promise<Outcome> {
  const socket = new WebSocket(`${hub.replace('http', 'ws')}/v1/events${query}`, 'polycast.v1', { headers });
  const outcome = new Promise<Outcome>((resolve, reject) => {
    socket.on('message', (message: Buffer) => {
      const result = listener(message.toString('utf8'), socket);
      if (result !== undefined) resolve(result);
    });
    socket.on('unexpected-response', (_request, answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      answer.on('end', () => resolve(codeIn(text, undefined)));
    });
    socket.on('close', (code) => resolve(`closed with ${code}`));
    socket.on('error', reject);
  });
  try {
    return await within('an answer on a WebSocket', outcome);
  } finally {
    socket.terminate();
  }
}
