import type { Transport } from './transport.ts';

export const webSocket: Transport = ({ url, onEvent, onGap, pause, signal }) => {
  let after = 'earliest';
  const connect = (): void => {
    const socket = new WebSocket(`${url}&after=${after}`, 'polycast.v1');
    socket.addEventListener('message', ({ data }) => {
      const message = JSON.parse(data);
      if (message.op === 'gap') onGap(message);
      if (message.op === undefined) onEvent(message);
      after = message.id ?? message.to ?? message.cursor ?? after;
    });
    socket.addEventListener('close', () => void pause(500).then(connect));
    signal.addEventListener('abort', () => socket.close(1000));
  };
  connect();
};
