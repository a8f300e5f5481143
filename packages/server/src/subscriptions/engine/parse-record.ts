import type { StoredRecord } from '../../core/ports.ts';

/** An event as a value, without its id; `undefined` if it should not be JSON. */
export function parseRecord({ body }: StoredRecord): unknown {
  try {
    return JSON.parse(`{${Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString()}`) as unknown;
  } catch {
    return undefined;
  }
}
