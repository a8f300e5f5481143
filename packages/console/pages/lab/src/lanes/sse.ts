import type { Transport } from './transport.ts';

export const serverSentEvents: Transport = ({ url, onEvent, onGap, pause, signal }) => {
  let after = 'earliest';
  const listen = (): void => {
    const stream = new EventSource(`${url}&after=${after}`);
    stream.addEventListener('message', ({ data, lastEventId }) => {
      after = lastEventId;
      onEvent(JSON.parse(data));
    });
    stream.addEventListener('polycast.gap', ({ data }) => onGap(JSON.parse(data)));
    stream.addEventListener('error', () => {
      // The browser reconnects a lost stream by itself, with Last-Event-ID. It does not reconnect a
      // refused one.
      if (stream.readyState === EventSource.CLOSED) void pause(1000).then(listen);
    });
    signal.addEventListener('abort', () => stream.close());
  };
  listen();
};
