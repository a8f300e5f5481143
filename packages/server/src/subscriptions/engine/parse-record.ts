import type { StoredRecord } from '../../core/ports.ts';

/** The value of an event's JSON, without its id; `undefined` when it is not JSON. */
export function parseRecord({ body }: StoredRecord): unknown {
  try {
    return JSON.parse(`{${Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString()}`) as unknown;
  } catch {
    return undefined;
  }
}
