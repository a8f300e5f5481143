/**
 * The bytes of an HTTP/1.1 answer as its client reads them, one character per byte. These are the
 * head, and the body without the framing of chunks (RFC 9112 section 7.1). An incomplete chunk is
 * left out.
 * @throws Error if the framing is invalid
 */
export function withoutChunks(answer: string): string {
  const bodyAt = answer.indexOf('\r\n\r\n') + 4;
  if (bodyAt < 4 || !/^transfer-encoding: *chunked *$/im.test(answer.slice(0, bodyAt - 2))) return answer;
  return answer.slice(0, bodyAt) + chunksOf(answer.slice(bodyAt)).join('');
}

/** The chunks of a body, including the last one, which is empty. */
export function chunksOf(body: string): readonly string[] {
  const chunks: string[] = [];
  for (let at = 0; at < body.length;) {
    const lineEnd = body.indexOf('\r\n', at);
    if (lineEnd < 0) break;
    const size = body.slice(at, lineEnd);
    if (!/^[0-9a-f]+$/i.test(size)) throw new Error(`No size of a chunk: ${JSON.stringify(size.slice(0, 80))}`);
    const end = lineEnd + 2 + Number.parseInt(size, 16);
    if (body.length < end + 2) break;
    if (body.slice(end, end + 2) !== '\r\n') throw new Error(`A chunk of ${size} does not end where it should`);
    chunks.push(body.slice(lineEnd + 2, end));
    at = end + 2;
    if (size === '0' && at < body.length) throw new Error('Bytes behind the last chunk');
  }
  return chunks;
}
