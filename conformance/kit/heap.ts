import { WebSocket } from 'ws';
import { residentBytes, type HubProcess } from './hub-process.ts';

/** The environment of a hub process whose heap is measured. */
export const WITH_INSPECTOR: Readonly<Record<string, string>> = { NODE_OPTIONS: '--inspect=127.0.0.1:0' };

/** Measures the memory of a hub through its Node inspector, without any code in the hub. */
export class Heap {
  readonly #socket: WebSocket;
  #requestCount = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  static async of(hub: HubProcess): Promise<Heap> {
    const address = /Debugger listening on (ws:\S+)/.exec(hub.log())?.[1];
    if (address === undefined) throw new Error('The hub was started without its inspector.');
    const socket = new WebSocket(address);
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    return new Heap(socket);
  }

  /** The bytes of objects and buffers after a full garbage collection. */
  async liveBytes(): Promise<number> {
    await this.#request('HeapProfiler.collectGarbage');
    const { result } = await this.#request('Runtime.evaluate', {
      expression: '{ const { heapUsed, external } = process.memoryUsage(); heapUsed + external }',
    });
    return result?.value as number;
  }

  /**
   * The resident memory of the process after a collection of its event loop's garbage: a busy
   * machine collects late.
   */
  static async residentBytes(hub: HubProcess): Promise<number> {
    const heap = await Heap.of(hub);
    await heap.liveBytes();
    heap.close();
    return residentBytes(hub.pid);
  }

  close(): void {
    this.#socket.terminate();
  }

  #request(method: string, params: object = {}): Promise<{ readonly result?: { readonly value: unknown } }> {
    const id = ++this.#requestCount;
    return new Promise((resolve) => {
      const listen = (data: Buffer): void => {
        const answer = JSON.parse(data.toString()) as { id?: number; result: { result?: { value: unknown } } };
        if (answer.id !== id) return;
        this.#socket.off('message', listen);
        resolve(answer.result);
      };
      this.#socket.on('message', listen).send(JSON.stringify({ id, method, params }));
    });
  }
}
