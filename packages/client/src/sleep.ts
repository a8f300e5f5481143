/** Waits for a time in milliseconds; rejects with the signal's reason when that aborts first. */
export function sleep(durationMs: number, signal: AbortSignal): Promise<void> {
  let timer: ReturnType<typeof setTimeout>;
  const slept = new Promise<void>((resolve) => (timer = setTimeout(resolve, durationMs)));
  return unlessAborted(slept, signal).finally(() => clearTimeout(timer));
}

/**
 * Settles as the promise does; rejects with the signal's reason when that aborts first. Removes its
 * listener in either case.
 */
export function unlessAborted<Value>(value: Value | Promise<Value>, signal: AbortSignal): Promise<Value> {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort);
  return Promise.race([value, promise]).finally(() => signal.removeEventListener('abort', abort));
}
