// What a server under test looks like to a scenario. Paths, headers and bodies are in the load
// generator's terms: `{c}` is the channel's number and `{e}` the event's JSON.
import type { LoadOptions } from '../harness/load.ts';
import type { PinnedProcess } from '../harness/processes.ts';

export type Transport = 'sse' | 'websocket';

export interface RunningServer {
  readonly port: number;
  readonly process: PinnedProcess;
}

export interface Peer {
  readonly name: string;
  /** undefined where it can be run; otherwise why not, as a sentence for the report. */
  unavailable(): string | undefined;
  version(): string;
  start(): Promise<RunningServer>;
  /** For the load generator; undefined where the server does not speak the transport. */
  subscribeOptions(transport: Transport): LoadOptions | undefined;
  publishOptions(): LoadOptions;
}
