import { statSync } from 'node:fs';

/** Bytes of a file; 0 when there is none. */
export function fileBytes(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}
