/** How long a condition may take to come true before the test gives up on it, in milliseconds: on a machine with much else to do. */
const PATIENCE_MS = 60_000;
/** How often a condition that nothing announces is looked at. */
const LOOK_EVERY_MS = 5;

/**
 * Waits until a condition holds.
 * @throws Error that says what was waited for, after `patienceMs`
 */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  patienceMs: number = PATIENCE_MS,
): Promise<void> {
  const endMs = performance.now() + patienceMs;
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error(`Waited ${patienceMs} ms in vain until ${what}`);
    await pause(LOOK_EVERY_MS);
  }
}

/** Settles like `promise`, or rejects when that takes too long. */
export async function within<Value>(
  what: string,
  promise: Promise<Value>,
  patienceMs: number = PATIENCE_MS,
): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`Waited ${patienceMs} ms in vain for ${what}`)), patienceMs);
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
