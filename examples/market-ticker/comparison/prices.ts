import type { Price } from '../services/market.ts';

/** The counterpart of page/prices.ts with a bare WebSocket. */
const BACKOFF_MS = 500;
const BACKOFF_MAX_MS = 10_000;

export function openPrices(
  url: string,
  onPrice: (symbol: string, price: Price) => void,
): { follow(symbols: readonly string[]): void; close(): void } {
  let channels: readonly string[] = [];
  let socket: WebSocket;
  let failures = 0;
  let isClosed = false;
  open();
  return {
    follow(symbols) {
      channels = symbols.map((symbol) => `price.${symbol}`);
      if (socket.readyState === WebSocket.OPEN) sendChannels();
    },
    close() {
      isClosed = true;
      socket.close();
    },
  };

  function open(): void {
    socket = new WebSocket(url.replace('http', 'ws'));
    socket.onopen = () => {
      failures = 0;
      sendChannels();
    };
    socket.onmessage = ({ data }) => {
      const { channel, data: price } = JSON.parse(data) as { channel: string; data: Price };
      onPrice(channel.slice('price.'.length), price);
    };
    socket.onclose = () => {
      if (isClosed) return;
      setTimeout(open, Math.random() * Math.min(BACKOFF_MAX_MS, BACKOFF_MS * 2 ** failures++));
    };
  }

  function sendChannels(): void {
    socket.send(JSON.stringify({ follow: channels }));
  }
}
