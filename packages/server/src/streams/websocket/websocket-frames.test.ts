import { expect, test } from 'vitest';
import { asciiTextFrame, textFrame } from './websocket-frames.ts';

test.each([0, 1, 125, 126, 65_535, 65_536])(
  'the text of a frame of %s characters has the bytes of the frame',
  (length) => {
    const text = 'x'.repeat(length);
    expect(Buffer.compare(Buffer.from(asciiTextFrame(text), 'latin1'), textFrame(text))).toBe(0);
  },
);
