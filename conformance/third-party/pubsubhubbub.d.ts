/** The used part of the types of pubsubhubbub, a subscriber for versions 0.3 and 0.4. */
declare module 'pubsubhubbub' {
  import type { EventEmitter } from 'node:events';
  import type { Server } from 'node:net';

  export interface Subscriber extends EventEmitter {
    /** The secret for signatures. */
    secret: string | false;
    callbackUrl: string;
    readonly server: Server;
    listen(port: number, host: string): void;
    subscribe(topic: string, hub: string, callback: (error: Error | null) => void): void;
    unsubscribe(topic: string, hub: string, callback: (error: Error | null) => void): void;
  }

  export interface Feed {
    readonly topic: string;
    readonly hub: string;
    readonly feed: Buffer;
    readonly headers: Readonly<Record<string, string>>;
  }

  export function createServer(options: {
    readonly callbackUrl: string;
    readonly secret?: string;
    readonly leaseSeconds?: number;
  }): Subscriber;
}
