import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * The path of a file that was built for browsers. In the published package it is inside the
 * package; in the repository it is in the sibling package that builds it.
 */
export function builtFile(published: string, inRepository: string): string {
  const inPackage = fileURLToPath(new URL(`../../assets/${published}`, import.meta.url));
  return existsSync(inPackage) ? inPackage : fileURLToPath(new URL(`../../../${inRepository}`, import.meta.url));
}
