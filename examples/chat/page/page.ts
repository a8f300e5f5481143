import { joinRoom } from './room.ts';
import type { Message, RoomState } from './state.ts';

/** The page: it draws the state that room.ts gives it. */
interface Me {
  readonly name?: string;
  readonly isModerator: boolean;
}

const room = new URLSearchParams(location.search).get('room') ?? 'lobby';
const me = (await (await fetch('/api/me')).json()) as Me;

byId('rooms').replaceChildren(
  ...['lobby', 'kitchen'].map((name) =>
    element('a', { href: `?room=${name}`, className: name === room ? 'here' : '' }, `#${name}`),
  ),
);
if (me.name === undefined) showLogin();
else showChat(me.name);

function showLogin(): void {
  byId('login').hidden = false;
  byId('login').addEventListener('submit', (event) => {
    event.preventDefault();
    void post('/api/login', { name: input('name').value }).then(() => location.reload());
  });
}

function showChat(name: string): void {
  const list = byId('messages');
  let isLoading = false;
  let latest: RoomState;
  let frame: number | undefined;
  byId('chat').hidden = false;
  const joined = joinRoom({ url: location.origin, room, me: name, getToken, storage: localStorage, onChange });

  onSubmit('write', () => [input('text').value]);
  onSubmit('whisper', () => [input('secret').value, input('to').value]);
  input('text').addEventListener('input', () => joined.typing());
  document.addEventListener('visibilitychange', () => document.hidden || joined.read());
  list.addEventListener('scroll', () => {
    if (list.scrollTop > 100 || isLoading) return;
    isLoading = true;
    void joined.loadOlder().finally(() => (isLoading = false));
  });

  function onSubmit(form: string, parts: () => [text: string, to?: string]): void {
    byId(form).addEventListener('submit', (event) => {
      event.preventDefault();
      const [text, to] = parts();
      if (text.trim() !== '') joined.send(text, to);
      input(form === 'write' ? 'text' : 'secret').value = '';
    });
  }

  /** At most once per frame, however many changes come. */
  function onChange(state: RoomState): void {
    latest = state;
    frame ??= requestAnimationFrame(() => draw(latest));
  }

  function draw(state: RoomState): void {
    frame = undefined;
    const isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    const fromEnd = list.scrollHeight - list.scrollTop;
    drawRows(list, [
      ...state.messages.map((message) => drawMessage(message, state)),
      ...state.unsent
        .filter(({ to }) => to === undefined)
        .map(({ key, text }) => Object.assign(line('unsent', name, text, 'not sent yet'), { id: key })),
    ]);
    list.scrollTop = isAtEnd ? list.scrollHeight : list.scrollHeight - fromEnd;
    byId('private').replaceChildren(
      ...state.privateMessages.map(({ from, to, text }) => line('', from === name ? `to ${to}` : from, text, '')),
      ...state.unsent
        .filter(({ to }) => to !== undefined)
        .map(({ to, text }) => line('unsent', `to ${to}`, text, 'not sent yet')),
    );
    drawRows(byId('members'), state.members.map(drawMember));
    byId('typing').textContent = state.typing.length === 0 ? '' : `${state.typing.join(', ')} is typing …`;
    byId('connection').textContent = state.connection;
    byId('connection').className = `badge ${state.hasEnded ? 'bad' : state.connection === 'offline' ? 'warn' : 'good'}`;
    if (!document.hidden && isAtEnd) joined.read();
  }
}

/** A row stays while its id is listed: a click is lost when its button is replaced meanwhile. */
function drawRows(list: HTMLElement, rows: readonly HTMLElement[]): void {
  const ids = new Set(rows.map(({ id }) => id));
  for (const row of [...list.children]) if (!ids.has(row.id)) row.remove();
  rows.forEach((row, index) => {
    const old = list.children[index] ?? null;
    if (old?.id !== row.id) list.insertBefore(row, old);
    else old.querySelector('small')?.replaceWith(row.querySelector('small') ?? '');
  });
}

function drawMessage({ id, from, text, time }: Message, { readBy }: RoomState): HTMLElement {
  const readers = Object.keys(readBy).filter((user) => user !== from && (readBy[user] ?? '') >= id);
  const row = line(
    '',
    from,
    text,
    `${new Date(time).toLocaleTimeString([], { timeStyle: 'short' })}${readers.length > 0 ? ` · read by ${readers.length}` : ''}`,
  );
  row.id = id;
  if (me.isModerator) row.append(action('Erase', () => post('/api/erase', { room, id })));
  return row;
}

function drawMember(user: string): HTMLElement {
  const row = element('li', { id: `member-${user}` }, user);
  if (user !== me.name) row.append(action('Write', async () => void (input('to').value = user)));
  if (me.isModerator && user !== me.name) row.append(action('Ban', () => post('/api/ban', { name: user })));
  return row;
}

function line(className: string, from: string, text: string, note: string): HTMLElement {
  return element(
    'li',
    { className },
    element('b', {}, from),
    element('span', {}, text),
    element('small', { className: 'muted' }, note),
  );
}

function action(label: string, act: () => Promise<unknown>): HTMLElement {
  return element('button', { className: 'small', onclick: () => void act() }, label);
}

async function getToken(): Promise<string | undefined> {
  const response = await fetch('/api/token', { method: 'POST' });
  if (response.status === 403) return undefined;
  return ((await response.json()) as { token: string }).token;
}

function post(path: string, body: object): Promise<Response> {
  return fetch(path, { method: 'POST', body: JSON.stringify(body) });
}

function element(tag: string, properties: object, ...children: (Node | string)[]): HTMLElement {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children); // Text from users is text, never HTML.
  return made;
}

function byId(id: string): HTMLElement {
  return document.querySelector(`#${id}`) as HTMLElement;
}

function input(id: string): HTMLInputElement {
  return byId(id) as HTMLInputElement;
}
