/**
 * The messages in one direction of an HTTP/1.1 connection, piece by piece (RFC 9112), with one
 * character per byte.
 */
export type HttpPart =
  | HttpHead
  | { readonly kind: 'body'; readonly bytes: string }
  /** The message is complete. */
  | { readonly kind: 'end' }
  /** Data after a change of protocol, which is not HTTP. */
  | { readonly kind: 'other'; readonly bytes: string };

export interface HttpHead {
  readonly kind: 'head';
  readonly text: string;
  readonly startLine: string;
  readonly headers: ReadonlyMap<string, string>;
}

type State = 'head' | 'length' | 'chunk-size' | 'chunk' | 'chunk-end' | 'trailer' | 'until-close' | 'other';

/**
 * Reads one direction. It expects well-formed traffic: the browser does not send requests that the
 * hub would refuse.
 */
export class HttpReader {
  #buffer = '';
  #state: State = 'head';
  #remaining = 0;

  feed(bytes: string): HttpPart[] {
    this.#buffer += bytes;
    const parts: HttpPart[] = [];
    while (this.#step(parts));
    return parts;
  }

  /** Reads one part. Returns false if more bytes are needed. */
  #step(parts: HttpPart[]): boolean {
    switch (this.#state) {
      case 'head':
        return this.#readHead(parts);
      case 'length':
      case 'chunk':
        return this.#readCounted(parts);
      case 'chunk-size':
        return this.#readLine((line) => {
          this.#remaining = Number.parseInt(line, 16);
          this.#state = this.#remaining === 0 ? 'trailer' : 'chunk';
        });
      case 'chunk-end':
        return this.#readLine(() => {
          this.#state = 'chunk-size';
        });
      case 'trailer':
        return this.#readLine((line) => {
          if (line === '') this.#end(parts);
        });
      case 'until-close':
      case 'other':
        return this.#readAll(parts, this.#state);
    }
  }

  #readHead(parts: HttpPart[]): boolean {
    const end = this.#buffer.indexOf('\r\n\r\n');
    if (end < 0) return false;
    const text = this.#take(end + 4).slice(0, -4);
    const [startLine = '', ...lines] = text.split('\r\n');
    const headers = new Map(
      lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
    );
    parts.push({ kind: 'head', text, startLine, headers });
    this.#expectBody(parts, startLine, headers);
    return true;
  }

  #expectBody(parts: HttpPart[], startLine: string, headers: ReadonlyMap<string, string>): void {
    const isResponse = startLine.startsWith('HTTP/');
    const status = isResponse ? Number(startLine.split(' ')[1]) : undefined;
    if (status === 101 || (!isResponse && headers.has('upgrade'))) this.#state = 'other';
    else if (status !== undefined && status < 200) return;
    else if (status === 204 || status === 304) this.#end(parts);
    else if (headers.get('transfer-encoding')?.includes('chunked')) this.#state = 'chunk-size';
    else if (headers.has('content-length')) this.#expectLength(parts, Number(headers.get('content-length')));
    else if (isResponse) this.#state = 'until-close';
    else this.#end(parts);
  }

  #expectLength(parts: HttpPart[], length: number): void {
    this.#remaining = length;
    this.#state = 'length';
    if (length === 0) this.#end(parts);
  }

  #readCounted(parts: HttpPart[]): boolean {
    if (this.#buffer === '') return false;
    const bytes = this.#take(this.#remaining);
    this.#remaining -= bytes.length;
    parts.push({ kind: 'body', bytes });
    if (this.#remaining > 0) return false;
    if (this.#state === 'chunk') this.#state = 'chunk-end';
    else this.#end(parts);
    return true;
  }

  #readLine(read: (line: string) => void): boolean {
    const end = this.#buffer.indexOf('\r\n');
    if (end < 0) return false;
    read(this.#take(end + 2).slice(0, -2));
    return true;
  }

  #readAll(parts: HttpPart[], state: 'until-close' | 'other'): false {
    if (this.#buffer !== '')
      parts.push({ kind: state === 'other' ? 'other' : 'body', bytes: this.#take(this.#buffer.length) });
    return false;
  }

  #end(parts: HttpPart[]): void {
    parts.push({ kind: 'end' });
    this.#state = 'head';
  }

  #take(length: number): string {
    const taken = this.#buffer.slice(0, length);
    this.#buffer = this.#buffer.slice(length);
    return taken;
  }
}
