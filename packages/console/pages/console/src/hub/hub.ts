import { connect, PolycastError, type ConnectOptions, type Connection } from '@polycast/client';

/** The hub's own address: the console is at `console/` below it. */
const ROOT = new URL('..', location.href.split('#')[0]).href.replace(/\/$/, '');

/**
 * The connection of this page. It identifies itself by the cookie of the login, and is made anew
 * after a log-in, because the hub identifies a connection once.
 */
let connection: Connection | undefined;

export function hub(): Connection {
  return (connection ??= opened());
}

/** A connection that notices when the login has ended. */
function opened(options?: ConnectOptions): Connection {
  const made = connect(ROOT, options);
  made.on('error', ({ error }) => checkLogin(error));
  return made;
}

/**
 * A connection for many events a second. A browser runs a task for each WebSocket message, but
 * reads all events of a piece of an event stream in one task.
 */
export function connectForBulk(): Connection {
  return opened({ transports: ['sse', 'websocket', 'long-poll', 'short-poll'] });
}

/** Ends the connection, and all subscriptions with it. */
export function disconnect(): void {
  connection?.close();
  connection = undefined;
}

/** The address of the hub for commands to copy. */
export function hubUrl(): string {
  return ROOT;
}

/** Called when the hub says that nobody is logged in any more. */
let onLoggedOut: () => void = () => undefined;

export function listenForLogOut(listener: () => void): void {
  onLoggedOut = listener;
}

/** Reads a resource below `/v1/`. @throws PolycastError */
export async function read<Answer>(path: string, signal?: AbortSignal): Promise<Answer> {
  const response = await request(path, signal === undefined ? {} : { signal });
  return (await response.json()) as Answer;
}

/** Changes a resource below `/v1/`. @throws PolycastError */
export async function send<Answer = undefined>(
  method: 'POST' | 'PATCH' | 'DELETE',
  path: string,
  body?: unknown,
): Promise<Answer> {
  const isText = typeof body === 'string';
  const response = await request(path, {
    method,
    headers: { 'Content-Type': isText ? 'text/plain' : 'application/json' },
    ...(body !== undefined && { body: isText ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return (text === '' ? undefined : JSON.parse(text)) as Answer;
}

/** A request below `/v1/`, with the login of this page. @throws PolycastError */
export async function request(path: string, init: RequestInit): Promise<Response> {
  try {
    return await hub().fetch(path, init);
  } catch (error) {
    checkLogin(error);
    // Browsers say no more than that, each in words of its own.
    if (error instanceof TypeError) throw new Error('The hub cannot be reached.', { cause: error });
    throw error;
  }
}

/** Shows the login when the hub no longer accepts the one of this page. */
function checkLogin(error: unknown): void {
  if (error instanceof PolycastError && (error.code === 'unauthorized' || error.code === 'token_expired'))
    onLoggedOut();
}

/** An error in words. */
export function wordsOf(error: unknown): string {
  if (error instanceof PolycastError) return error.problem?.detail ?? error.problem?.title ?? error.message;
  return error instanceof Error ? error.message : String(error);
}
