/** Bodies up to this size share slabs. A slab is one buffer of SLAB_BYTES. */
const SHARED_BYTES_MAX = 8 * 1024;
const SLAB_BYTES = 64 * 1024;

/**
 * Encodes the bodies of events into slabs of their own. In the runtime's buffer pool they would lie
 * among short-lived data. Each event in memory would then hold a whole slab of the pool.
 */
export function createBodyEncoder(): (text: string) => Buffer {
  let slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
  let used = 0;
  return (text) => {
    const bytes = Buffer.byteLength(text);
    if (bytes > SHARED_BYTES_MAX) {
      const body = Buffer.allocUnsafeSlow(bytes);
      body.write(text);
      return body;
    }
    if (used + bytes > SLAB_BYTES) {
      slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
      used = 0;
    }
    const body = slab.subarray(used, used + bytes);
    used += slab.write(text, used);
    return body;
  };
}
