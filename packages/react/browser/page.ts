import { createElement, StrictMode, useEffect, useState, type ReactElement } from 'react';
import { createRoot, hydrateRoot, type Root } from 'react-dom/client';
import { renderToString } from 'react-dom/server';
import { connect } from '@polycast/client';
import { PolycastProvider, useChannel, useConnection, useLatest, usePresence } from '../src/index.ts';

/** The page of the tests: a room whose state is readable from outside. */
declare global {
  interface Window {
    room: RoomControls;
  }
}

export interface RoomState {
  readonly channel: string;
  readonly events: readonly unknown[];
  readonly heard: readonly unknown[];
  readonly isJoined: boolean;
  readonly topic: unknown;
  readonly anonymous: number;
  readonly state: string;
  readonly error: string | undefined;
}

export interface RoomControls {
  mount(strict: boolean, channel: string): void;
  /** Renders as a server does, and makes that page live. */
  hydrate(channel: string): void;
  change(channel: string): void;
  unmount(): void;
  publish(data: unknown): Promise<unknown>;
  state: RoomState | undefined;
  renders: number;
  /** What React says about a page that differs from the server's. */
  readonly complaints: string[];
}

const url = new URLSearchParams(location.search).get('hub') ?? location.origin;
const connection = connect(url, { transports: ['websocket'] });
const container = document.body.appendChild(document.createElement('main'));
let root: Root | undefined;
let setChannel: (channel: string) => void = () => undefined;
const heard: unknown[] = [];

function Room({ first }: { readonly first: string }): ReactElement {
  const [channel, set] = useState(first);
  setChannel = set;
  // The options are new objects in each render, as in most components.
  const { events, isJoined, publish, error } = useChannel(channel, {
    history: 10,
    onEvent: ({ data }) => heard.push(data),
  });
  const { data: topic } = useLatest(`${channel}.topic`);
  const { anonymous } = usePresence(channel);
  const { state } = useConnection();
  window.room.renders++;
  useEffect(() => {
    window.room.publish = publish;
    const datas = events.map(({ data }) => data);
    const code = error?.code;
    window.room.state = { channel, events: datas, heard: [...heard], isJoined, topic, anonymous, state, error: code };
  });
  return createElement('p', null, JSON.stringify([events.length, state]));
}

function application(channel: string, server = false): ReactElement {
  const room = createElement(Room, { first: channel });
  return createElement(PolycastProvider, { connection: server ? undefined : connection }, room);
}

window.room = {
  mount(strict, channel) {
    root = createRoot(container);
    root.render(strict ? createElement(StrictMode, null, application(channel)) : application(channel));
  },
  hydrate(channel) {
    container.innerHTML = renderToString(application(channel, true));
    root = hydrateRoot(container, application(channel), {
      onRecoverableError: (error) => window.room.complaints.push(String(error)),
    });
  },
  change: (channel) => setChannel(channel),
  unmount: () => root?.unmount(),
  publish: async () => undefined,
  state: undefined,
  renders: 0,
  complaints: [],
};
