/** Unguessable, and made without `randomUUID`, which pages that came by plain HTTP do not have. */
export function createKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(36)).join('');
}
