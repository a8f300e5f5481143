import { Transform } from 'node:stream';

const NEWLINE = 10;

/**
 * Turns lines of data into lines of events of one channel. For example, `5` becomes
 * `{"channel":"orders.42","data":5}`. It does not check the data: the hub refuses invalid JSON item
 * by item. It omits blank lines. It holds a line without an end in memory; the hub would refuse it.
 */
export function envelopeLines(channel: string, type: string | undefined): Transform {
  const before = Buffer.from(
    `{"channel":"${channel}",${type === undefined ? '' : `"type":${JSON.stringify(type)},`}"data":`,
  );
  const after = Buffer.from('}\n');
  let rest: Buffer[] = [];
  const wrap = (line: Buffer): Buffer[] => (isBlank(line) ? [] : [before, line, after]);
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const parts: Buffer[] = [];
      let start = 0;
      for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
        parts.push(...wrap(Buffer.concat([...rest, chunk.subarray(start, end)])));
        rest = [];
        start = end + 1;
      }
      if (start < chunk.length) rest.push(chunk.subarray(start));
      done(null, Buffer.concat(parts));
    },
    flush(done) {
      done(null, Buffer.concat(wrap(Buffer.concat(rest))));
    },
  });
}

function isBlank(line: Buffer): boolean {
  return line.every((byte) => byte === 32 || byte === 9 || byte === 13);
}
