import { connect, type Connection, type Subscription } from '@polycast/client';
import type { Price } from '../services/market.ts';

export interface Prices {
  readonly connection: Connection;
  /** Follows these symbols, and no others any more. */
  follow(symbols: readonly string[]): void;
}

/**
 * The prices of the rows on the screen.
 * For a symbol that comes into view, the newest price comes at once.
 */
export function openPrices(url: string, onPrice: (symbol: string, price: Price) => void): Prices {
  const connection = connect(url);
  let current: Subscription<Price> | undefined;
  return {
    connection,
    follow(symbols) {
      const previous = current;
      current = connection.subscribe<Price>(
        symbols.map((symbol) => `price.${symbol}`),
        ({ channel, data }) => onPrice(channel.slice('price.'.length), data),
        { after: 'earliest' },
      );
      previous?.close();
    },
  };
}
