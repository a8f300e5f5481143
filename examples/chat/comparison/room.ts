import { io } from 'socket.io-client';
import { EMPTY, type Draft, type Message, type Room, type RoomOptions, type RoomState } from '../page/state.ts';

/** The counterpart of page/room.ts with Socket.IO: the same state, for the same page. */
interface Row {
  readonly id: number;
  readonly sender: string;
  readonly recipient: string | null;
  readonly text: string;
  readonly time: string;
  readonly key: string;
}

const TYPING_MS = 3000;
const ACKNOWLEDGE_MS = 2000;

export function joinRoom({ url, room, me, getToken, storage, onChange }: RoomOptions): Room {
  const outboxKey = `unsent.${me}.${room}`;
  const typingTimers = new Map<string, ReturnType<typeof setTimeout>>();
  let state: RoomState = { ...EMPTY, unsent: JSON.parse(storage.getItem(outboxKey) ?? '[]') };
  let typedMs = 0;
  let isSending = false;

  const socket = io(url, {
    auth: (give) => {
      const after = state.messages.at(-1)?.id;
      const afterPrivate = state.privateMessages.at(-1)?.id;
      void getToken().then((token) => give({ token, room, after, afterPrivate }));
    },
  });
  socket.on('connect', () => {
    update({ connection: socket.io.engine.transport.name });
    void sendAll();
  });
  socket.on('disconnect', (reason) => update({ connection: 'offline', hasEnded: reason === 'io server disconnect' }));
  socket.on(
    'connect_error',
    ({ message }) => message === 'unauthorized' && update({ connection: message, hasEnded: true }),
  );
  socket.on('message', (row: Row) => {
    if (Number(state.messages.at(-1)?.id ?? 0) >= row.id) return;
    confirm(row.key);
    stopTyping(row.sender);
    update({ messages: [...state.messages, messageOf(row)] });
  });
  socket.on('private', (row: Row) => {
    if (Number(state.privateMessages.at(-1)?.id ?? 0) >= row.id) return;
    confirm(row.key);
    update({ privateMessages: [...state.privateMessages, messageOf(row)] });
  });
  socket.on('erased', (id: number) =>
    update({ messages: state.messages.filter((message) => message.id !== String(id)) }),
  );
  socket.on('typing', onTyping);
  socket.on('read', (user: string, id: string) => update({ readBy: { ...state.readBy, [user]: id } }));
  socket.on('members', (members: string[]) => update({ members }));

  return {
    send(text, to) {
      keep([...state.unsent, { key: crypto.randomUUID(), text, to }]);
      void sendAll();
    },
    typing() {
      if (Date.now() - typedMs < TYPING_MS / 2) return;
      typedMs = Date.now();
      socket.volatile.emit('typing');
    },
    read() {
      const newest = state.messages.at(-1)?.id;
      if (newest !== undefined && newest !== state.readBy[me]) socket.emit('read', newest);
    },
    async loadOlder() {
      const before = state.messages[0]?.id;
      if (before === undefined) return;
      const rows = (await socket.emitWithAck('older', Number(before))) as Row[];
      update({ messages: [...rows.map(messageOf), ...state.messages], hasOlder: rows.length > 0 });
    },
    close: () => void socket.close(),
  };

  function update(changes: Partial<RoomState>): void {
    state = { ...state, ...changes };
    onChange(state);
  }

  function onTyping(user: string): void {
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

  async function sendAll(): Promise<void> {
    if (isSending) return;
    isSending = true;
    for (let draft = state.unsent[0]; draft !== undefined && socket.connected; draft = state.unsent[0]) {
      try {
        await socket.timeout(ACKNOWLEDGE_MS).emitWithAck('message', draft);
        confirm(draft.key);
      } catch {
        // Not acknowledged: the same key makes another attempt harmless.
      }
    }
    isSending = false;
  }

  function confirm(key: string): void {
    if (state.unsent.some((draft) => draft.key === key)) keep(state.unsent.filter((draft) => draft.key !== key));
  }

  function keep(unsent: readonly Draft[]): void {
    storage.setItem(outboxKey, JSON.stringify(unsent));
    update({ unsent });
  }
}

function messageOf({ id, sender, recipient, text, time }: Row): Message {
  return { id: String(id), from: sender, text, time, to: recipient ?? undefined };
}
