/** The default timeout of a condition, in milliseconds, for a busy machine. */
const TIMEOUT_MS = 60_000;
/** The timeout of what a hub has to work off, such as all deliveries that kills have delayed. */
export const BACKLOG_TIMEOUT_MS = 240_000;
/** The interval between two checks of a condition. */
const POLL_INTERVAL_MS = 5;

/**
 * Waits until a condition is true.
 * @throws Error with the condition's description, after `patienceMs`
 */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs: number = TIMEOUT_MS,
): Promise<void> {
  const endMs = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error(`Waited ${timeoutMs} ms in vain until ${what}`);
    await pause(POLL_INTERVAL_MS);
  }
}

/** Settles like `promise`, or rejects when that takes too long. */
export async function within<Value>(
  what: string,
  promise: Promise<Value>,
  timeoutMs: number = TIMEOUT_MS,
): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`Waited ${timeoutMs} ms in vain for ${what}`)), timeoutMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

export function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}
