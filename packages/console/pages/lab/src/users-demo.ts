import { connect, type Connection, type PolycastEvent, type TransportName } from '@polycast/client';
import { presence, type Presence } from '@polycast/client/presence';
import type { Login, PersonName } from './model/records.ts';

export type DemoTransport = Exclude<TransportName, 'tab'>;

/** An item that a seat has received. */
export interface Item {
  readonly id: string;
  /**
   * `news` from the site to all users, `said` by a user to all,
   * `message` from the site to one user.
   */
  readonly kind: 'news' | 'said' | 'message';
  /** The name of the sender, as the hub adds it. */
  readonly user: string | undefined;
  readonly text: string;
}

/** The channel whose presence the Lab's server shows. */
const DEMO_CHANNEL = 'lab.town';
/** A seat shows the newest items. */
const ITEMS_MAX = 50;

/** The model of one browser: a logged-in user, or none, with its own SDK connection. */
export class UserSession {
  readonly title: string;
  readonly #changed: () => void;
  user: PersonName | undefined;
  transport: DemoTransport;
  items: readonly Item[] = [];
  present: Presence | undefined;
  /** A readable reason of a refusal. */
  errorText = '';
  #connection: Connection | undefined;

  constructor(title: string, user: PersonName, by: DemoTransport, changed: () => void) {
    this.title = title;
    this.user = user;
    this.transport = by;
    this.#changed = changed;
  }

  get state(): { readonly isOpen: boolean; readonly transport: string | undefined } {
    const { state, transport } = this.#connection?.state ?? {};
    return { isOpen: state === 'open', transport };
  }

  /** Another user logs in, or the user logs out. The seat is cleared. */
  login(user: PersonName | undefined): void {
    this.user = user;
    this.items = [];
    this.open();
  }

  /** The same user, with another transport: the items stay. */
  changeTransport(by: DemoTransport): void {
    this.transport = by;
    this.open();
  }

  open(): void {
    this.close();
    const { user, transport } = this;
    const connection = connect('/', {
      transports: [transport],
      getToken: () => (user === undefined ? undefined : tokenOf(user)),
    });
    this.#connection = connection;
    this.errorText = '';
    this.present = undefined;
    connection.on('state', this.#changed);
    connection.on('error', ({ error }) => this.#showError(error));
    connection.subscribe<Text>(DEMO_CHANNEL, (event) =>
      this.#addItem(event, event.user === undefined ? 'news' : 'said'),
    );
    if (user !== undefined) connection.me<Text>((event) => this.#addItem(event, 'message'));
    this.#watch(connection).catch((error: unknown) => this.#showError(error));
    this.#changed();
  }

  close(): void {
    this.#connection?.close();
  }

  async publish(text: string): Promise<void> {
    await this.#connection?.publish(DEMO_CHANNEL, { text }).catch((error: unknown) => this.#showError(error));
  }

  async #watch(connection: Connection): Promise<void> {
    for await (const present of presence(connection, DEMO_CHANNEL)) {
      if (connection !== this.#connection) return;
      this.present = present;
      this.#changed();
    }
  }

  #addItem({ id, user, data }: PolycastEvent<Text>, kind: Item['kind']): void {
    const text = String(data?.text ?? '');
    this.items = [...this.items, { id, kind, user, text }].slice(-ITEMS_MAX);
    this.#changed();
  }

  #showError(error: unknown): void {
    this.errorText = error instanceof Error ? error.message : String(error);
    this.#changed();
  }
}

interface Text {
  readonly text?: string;
}

/** Two seats, and the site's backend between them. */
export class UsersDemo {
  readonly sessions: readonly [UserSession, UserSession];
  readonly #listeners = new Set<() => void>();

  constructor() {
    const changed = (): void => this.#listeners.forEach((listener) => listener());
    this.sessions = [
      new UserSession('One browser', 'ada', 'websocket', changed),
      new UserSession('Another', 'bo', 'sse', changed),
    ];
  }

  /** Returns a function that stops it. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  open(): void {
    for (const seat of this.sessions) seat.open();
  }

  close(): void {
    for (const seat of this.sessions) seat.close();
  }
}

/** As a backend does it: with one request. */
export async function publishNews(text: string): Promise<void> {
  await post('/v1/events', { channel: DEMO_CHANNEL, type: 'news', data: { text } });
}

export async function sendPrivateMessage(user: PersonName, text: string): Promise<void> {
  await post(`/v1/users/${user}/events`, { type: 'message', data: { text } });
}

async function tokenOf(user: PersonName): Promise<string> {
  const answer = await post('/lab/api/login', { user });
  return ((await answer.json()) as Login).token;
}

async function post(path: string, body: object): Promise<Response> {
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(path, { method: 'POST', headers, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${path}: status ${answer.status}`);
  return answer;
}
