import { once } from 'node:events';
import type { MessagePort, Transferable, Worker } from 'node:worker_threads';
import { parentPort } from 'node:worker_threads';
import { PolycastError } from '@polycast/protocol';
import { DataFolderError } from '../../core/data-folder-error.ts';
import { startThread, type ThreadModule } from '../../platform/package-files.ts';
import { failureOf, type Failure } from './failure.ts';

type Request<Body> = { readonly id: number } & Body;
type Answer = { readonly id: number; readonly value: unknown } | { readonly id: number; readonly failure: Failure };

interface Pending {
  readonly resolve: (value: never) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Megabytes for the new objects of a thread: batches, rows and pages, all of them short-lived.
 * Without this limit the engine lets them grow to 96 MB in a busy hour, and releases nothing. CPU
 * time per event is the same with the limit.
 */
const YOUNG_GENERATION_MB = 12;

/**
 * A worker thread that answers requests, on the side of the main thread. It starts with `start` or
 * with the first request. Each started thread takes some 8 MB and 30 ms of CPU time.
 */
export class Thread<Body extends object> {
  readonly #module: ThreadModule;
  readonly #options: unknown;
  #worker: Worker | undefined;
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;
  #failure: Error | undefined;

  /**
   * @param options what `threadOptions` returns in the thread
   */
  constructor(module: ThreadModule, options: unknown) {
    this.#module = module;
    this.#options = options;
  }

  /** Starts the thread if it has not started. It loads its modules meanwhile. */
  start(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    const worker = takePrepared(this.#module) ?? createWorker(this.#module);
    worker.postMessage({ options: this.#options } satisfies OptionsMessage);
    worker.on('message', (answer: Answer) => this.#onAnswer(answer));
    worker.on('error', (error) => this.#fail(error as Error));
    worker.on('exit', () => this.#fail(new Error('The thread has ended.')));
    this.#worker = worker;
    return worker;
  }

  /** The thread has ended, or does not answer any more. Another one has to be started. */
  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  request<Value>(body: Body, transfer?: readonly Transferable[]): Promise<Value> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const { promise, resolve, reject } = Promise.withResolvers<Value>();
    const id = ++this.#lastId;
    this.#pending.set(id, { resolve: resolve as Pending['resolve'], reject });
    this.start().postMessage({ id, ...body }, transfer);
    return promise;
  }

  /** Resolves when the thread has closed its files and ended. */
  async close(request: Body): Promise<void> {
    const worker = this.#worker;
    if (worker === undefined) return this.#fail(new Error('The thread is closed.'));
    await this.request(request).catch(() => undefined);
    if (worker.threadId !== -1) await once(worker, 'exit');
  }

  #onAnswer(answer: Answer): void {
    const pending = this.#pending.get(answer.id);
    this.#pending.delete(answer.id);
    if ('failure' in answer) pending?.reject(errorOf(answer.failure));
    else pending?.resolve(answer.value as never);
  }

  #fail(error: Error): void {
    this.#failure ??= new PolycastError(
      'log_unavailable',
      'A thread that writes to the data folder has failed. Whether this change was stored is unknown.',
      undefined,
      { cause: error },
    );
    for (const { reject } of this.#pending.values()) reject(this.#failure);
    this.#pending.clear();
  }
}

function createWorker(module: ThreadModule): Worker {
  return startThread(module, { resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB } });
}

/** Workers that load their modules, for the next `Thread` of each module. */
const prepared = new Map<ThreadModule, Worker>();

/**
 * Starts a worker before its `Thread` exists, so that it loads its modules while the main thread
 * loads its own. A prepared worker has opened nothing, and does not keep the process alive.
 */
export function prepareThread(module: ThreadModule): void {
  if (prepared.has(module)) return;
  const worker = createWorker(module);
  worker.unref();
  // The thread that takes it has listeners of its own. Without one, another worker starts instead.
  const forget = (): void => {
    if (prepared.get(module) === worker) prepared.delete(module);
  };
  worker.on('error', forget).on('exit', forget);
  prepared.set(module, worker);
}

function takePrepared(module: ThreadModule): Worker | undefined {
  const worker = prepared.get(module);
  prepared.delete(module);
  worker?.ref();
  return worker;
}

/** The first message to a thread. Requests follow it. */
interface OptionsMessage {
  readonly options: unknown;
}

let receivedOptions: unknown;

/** The options that this thread was started with. */
export function threadOptions<Options>(): Options {
  return receivedOptions as Options;
}

/**
 * Answers the main thread's requests one after the other, until `handle` returns `undefined`.
 * @param handle the buffers in its `transfer` move to the main thread
 * @param onAnswered called after an answer has been sent, except for the last one
 */
export function serve<Body>(
  handle: (body: Body) => { value: unknown; transfer?: ArrayBuffer[] } | undefined,
  onAnswered: () => void = () => {},
): void {
  const port = parentPort as MessagePort;
  port.on('message', (request: OptionsMessage | Request<Body>) => {
    if ('options' in request) return void (receivedOptions = request.options);
    const { id } = request;
    try {
      const answer = handle(request);
      port.postMessage({ id, value: answer?.value }, answer?.transfer ?? []);
      if (answer === undefined) return port.close();
    } catch (error) {
      port.postMessage({ id, failure: failureOf(error) });
    }
    onAnswered();
  });
}

/** Clients receive the words of the catalogue. Those of SQLite and the system are for the log. */
function errorOf(failure: Failure): Error {
  return failure.kind === 'folder'
    ? new DataFolderError(failure.reason, failure.message)
    : new PolycastError(failure.code, undefined, undefined, { cause: failure.reason });
}
