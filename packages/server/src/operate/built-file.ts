import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * Where something is that was built for browsers: inside the package as it is published, in the sibling package that
 * builds it in the repository.
 */
export function builtFile(published: string, inRepository: string): string {
  const inPackage = fileURLToPath(new URL(`../../assets/${published}`, import.meta.url));
  return existsSync(inPackage) ? inPackage : fileURLToPath(new URL(`../../../${inRepository}`, import.meta.url));
}
