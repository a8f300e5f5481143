/** What a chat shows. Both programs of this folder fill it: room.ts, and comparison/room.ts. */
export interface RoomState {
  /** The oldest first. */
  messages: readonly Message[];
  privateMessages: readonly Message[];
  /** Written here and not yet confirmed. */
  unsent: readonly Draft[];
  members: readonly string[];
  typing: readonly string[];
  /** The id of the newest message that each user has read. */
  readBy: Readonly<Record<string, string>>;
  /** Whether there are older messages to load. */
  hasOlder: boolean;
  /** `websocket`, `long-poll`, `offline`; or why it has ended. */
  connection: string;
  hasEnded: boolean;
}

export interface Message {
  readonly id: string;
  readonly from: string;
  readonly text: string;
  readonly time: string;
  /** The recipient of a private message. */
  readonly to?: string | undefined;
}

export interface Draft {
  /** The same in every attempt to send it. */
  readonly key: string;
  readonly text: string;
  readonly to?: string | undefined;
}

export interface RoomOptions {
  /** The address of the hub or server. */
  readonly url: string;
  readonly room: string;
  readonly me: string;
  /** Credentials; undefined: this user has none any more. */
  readonly getToken: () => Promise<string | undefined>;
  /** Where unsent messages survive a reload. */
  readonly storage: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;
  readonly onChange: (state: RoomState) => void;
}

export interface Room {
  send(text: string, to?: string): void;
  /** Call it with each key that is pressed. */
  typing(): void;
  /** The user has seen everything up to the newest message. */
  read(): void;
  loadOlder(): Promise<void>;
  close(): void;
}

export const EMPTY: RoomState = {
  messages: [],
  privateMessages: [],
  unsent: [],
  members: [],
  typing: [],
  readBy: {},
  hasOlder: true,
  connection: 'offline',
  hasEnded: false,
};
