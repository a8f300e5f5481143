import { WebhookError } from './error.ts';

/** The received pieces of a body, up to a bound in bytes. */
export class BodyBuffer {
  readonly #bytesMax: number;
  readonly #pieces: Uint8Array[] = [];
  #length = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** @throws WebhookError `body_too_large` */
  add(piece: Uint8Array): void {
    this.#length += piece.length;
    if (this.#length > this.#bytesMax)
      throw new WebhookError('body_too_large', `the body is longer than ${this.#bytesMax} bytes`);
    this.#pieces.push(piece);
  }

  toBytes(): Uint8Array {
    const body = new Uint8Array(this.#length);
    let at = 0;
    for (const piece of this.#pieces) {
      body.set(piece, at);
      at += piece.length;
    }
    return body;
  }
}
