// The interface of a server under test. Paths, headers and bodies use the load generator's
// placeholders: `{c}` is the channel's number and `{e}` the event's JSON.
import type { LoadOptions } from '../harness/load.ts';
import type { PinnedProcess } from '../harness/processes.ts';

export type Transport = 'sse' | 'websocket';

export interface RunningServer {
  readonly port: number;
  readonly process: PinnedProcess;
}

export interface Peer {
  readonly name: string;
  /** Undefined if the server can run, otherwise the reason as a sentence for the report. */
  unavailable(): string | undefined;
  version(): string;
  start(): Promise<RunningServer>;
  /** Options for the load generator. Undefined if the server does not support the transport. */
  subscribeOptions(transport: Transport): LoadOptions | undefined;
  publishOptions(): LoadOptions;
}
