import { WebhookError } from './error.ts';

/** What comes of a body, up to a bound. */
export class Pieces {
  readonly #bytesMax: number;
  readonly #kept: Uint8Array[] = [];
  #length = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** @throws WebhookError `body_too_large` */
  add(piece: Uint8Array): void {
    this.#length += piece.length;
    if (this.#length > this.#bytesMax)
      throw new WebhookError('body_too_large', `the body is longer than ${this.#bytesMax} bytes`);
    this.#kept.push(piece);
  }

  joined(): Uint8Array {
    const body = new Uint8Array(this.#length);
    let at = 0;
    for (const piece of this.#kept) {
      body.set(piece, at);
      at += piece.length;
    }
    return body;
  }
}
