/** Unguessable, and made without `randomUUID`, which pages that came by plain HTTP do not have. */
export function randomId(): string {
  return crypto.getRandomValues(new Uint32Array(4)).join('');
}
