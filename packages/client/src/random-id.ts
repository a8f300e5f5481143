/** Makes an unguessable id without `randomUUID`, which pages over plain HTTP do not have. */
export function randomId(): string {
  return crypto.getRandomValues(new Uint32Array(4)).join('');
}
