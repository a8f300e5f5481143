import { connect, type PolycastError, type PolycastEvent } from '@polycast/client';
import { createOutbox } from '@polycast/client/outbox';
import { presence } from '@polycast/client/presence';
import { EMPTY, type Message, type Room, type RoomOptions, type RoomState } from './state.ts';

interface MessageData {
  readonly text: string;
  readonly to?: string | undefined;
}

const PAGE = 30;
const TYPING_MS = 3000;

/** A room as one user has it: everything comes over one connection, and nothing twice. */
export function joinRoom({ url, room, me, getToken, storage, onChange }: RoomOptions): Room {
  const typingTimers = new Map<string, ReturnType<typeof setTimeout>>();
  let state: RoomState = EMPTY;
  let typedMs = 0;

  const connection = connect(url, { getToken, transports: ['websocket', 'long-poll'] });
  const outbox = createOutbox<MessageData>(connection, `outbox ${me}`, { storage, onChange: showUnsent });
  connection.on('state', ({ state: phase, transport, error }) =>
    update({
      connection: error?.code ?? (phase === 'open' ? `${transport}` : 'offline'),
      hasEnded: phase === 'closed',
    }),
  );
  connection.on('error', ({ error }) => update({ connection: (error as PolycastError).code }));
  connection.subscribe<MessageData>(`room.${room}`, onMessage, { history: PAGE });
  connection.subscribe(`typing.${room}`, ({ user }) => onTyping(user as string));
  connection.subscribe<string>(`read.${room}.*`, onRead, { after: 'earliest' });
  connection.me<MessageData>((event) => update({ privateMessages: [...state.privateMessages, messageOf(event)] }), {
    history: PAGE,
  });
  followMembers().catch(() => {}); // as the connection, and its error is shown
  showUnsent();

  return {
    send(text, to) {
      if (to === undefined) return outbox.publish(`room.${room}`, { text });
      for (const reader of new Set([to, me])) outbox.publish(`polycast.private.${reader}`, { text, to });
    },
    typing() {
      if (Date.now() - typedMs < TYPING_MS / 2) return;
      typedMs = Date.now();
      connection.publish(`typing.${room}`, true, { inOrder: false }).catch(() => {});
    },
    read() {
      const newest = state.messages.at(-1)?.id;
      if (newest === undefined || newest === state.readBy[me]) return;
      connection.publish(`read.${room}.${me}`, newest, { inOrder: false }).catch(() => {});
    },
    async loadOlder() {
      const query = `limit=${PAGE}&before=${state.messages[0]?.id}`;
      const page = await (await connection.fetch(`channels/room.${room}/history?${query}`)).json();
      const older = (page.events as PolycastEvent<MessageData>[]).filter((event) => !isErasure(event));
      update({ messages: [...older.map(messageOf), ...state.messages], hasOlder: page.previous !== null });
    },
    close: () => connection.close(),
  };

  function update(changes: Partial<RoomState>): void {
    state = { ...state, ...changes };
    onChange(state);
  }

  function showUnsent(): void {
    const shown = outbox.unsent.filter(({ channel }) => channel !== `polycast.private.${me}`);
    update({ unsent: shown.map(({ key, data: { text, to } }) => ({ key, text, to })) });
  }

  function onMessage(event: PolycastEvent<MessageData>): void {
    if (isErasure(event)) return update({ messages: state.messages.filter(({ id }) => id !== event.data.text) });
    stopTyping(event.user as string);
    update({ messages: [...state.messages, messageOf(event)] });
  }

  function onRead({ user, data }: PolycastEvent<string>): void {
    update({ readBy: { ...state.readBy, [user as string]: data } });
  }

  function onTyping(user: string): void {
    if (user === me) return;
    clearTimeout(typingTimers.get(user));
    typingTimers.set(
      user,
      setTimeout(() => stopTyping(user), TYPING_MS),
    );
    update({ typing: [...typingTimers.keys()] });
  }

  function stopTyping(user: string): void {
    clearTimeout(typingTimers.get(user));
    if (typingTimers.delete(user)) update({ typing: [...typingTimers.keys()] });
  }

  async function followMembers(): Promise<void> {
    for await (const { members } of presence(connection, `room.${room}`))
      update({ members: members.map(({ user }) => user) });
  }
}

/** Only the site says so: what a user publishes has the user. */
function isErasure({ type, user }: PolycastEvent): boolean {
  return type === 'erased' && user === undefined;
}

function messageOf({ id, user, time, data }: PolycastEvent<MessageData>): Message {
  return { id, from: user ?? '', time, text: data.text, to: data.to };
}
