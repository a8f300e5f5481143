import { createElement, type ReactElement } from 'react';
import { renderToString } from 'react-dom/server';
import { expect, test } from 'vitest';
import { connect } from '@polycast/client';
import { PolycastProvider, useChannel, useConnection, useLatest, usePresence } from './index.ts';

function Room(): ReactElement {
  const { events, isJoined, error } = useChannel('room.7', { history: 10 });
  const { data } = useLatest<string>('room.7.topic');
  const { members, isKnown } = usePresence('room.7');
  const { state } = useConnection();
  return createElement('p', null, JSON.stringify([events, isJoined, error, data, members, isKnown, state]));
}

const FIRST = '[[],false,null,null,[],false,&quot;idle&quot;]';

test('a server without a connection renders the first values', () => {
  const page = renderToString(createElement(PolycastProvider, { connection: undefined }, createElement(Room)));
  expect(page).toBe(`<p>${FIRST}</p>`);
});

test('a server with a connection renders the same, and opens nothing', () => {
  const requests: unknown[] = [];
  const connection = connect('http://hub.invalid', {
    fetch: async (input) => {
      requests.push(input);
      throw new Error('A page that is rendered needs no hub.');
    },
  });
  const page = renderToString(createElement(PolycastProvider, { connection }, createElement(Room)));
  expect(page).toBe(`<p>${FIRST}</p>`);
  expect(requests).toEqual([]);
  expect(connection.state.state).toBe('idle');
});

test('a component outside of a provider names its mistake', () => {
  expect(() => renderToString(createElement(Room))).toThrow('Render this component below a <PolycastProvider>.');
});

test('a server that renders pages cannot publish', async () => {
  let publish: (() => Promise<unknown>) | undefined;
  function Sender(): null {
    const channel = useChannel('room.7');
    publish = () => channel.publish('hello');
    return null;
  }
  renderToString(createElement(PolycastProvider, { connection: undefined }, createElement(Sender)));
  await expect(publish?.()).rejects.toThrow('no connection');
});
