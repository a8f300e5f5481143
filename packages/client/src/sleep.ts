/** Waits; rejects with the signal's reason when that aborts first. */
export function sleep(durationMs: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const abort = (): void => reject(signal.reason as Error);
  const timer = setTimeout(resolve, durationMs);
  signal.addEventListener('abort', abort);
  return promise.finally(() => {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  });
}
