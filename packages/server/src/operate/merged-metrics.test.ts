import { expect, test } from 'vitest';
import { mergeMetrics } from './merged-metrics.ts';

const HEAD = '# HELP polycast_sessions Sessions, by transport.\n# TYPE polycast_sessions gauge';

test('each metric has its help once, and the values of all processes behind it', () => {
  const page = (count: number): string =>
    `${HEAD}\npolycast_sessions{transport="sse"} ${count}\n\n# HELP polycast_up Up.\n# TYPE polycast_up gauge\npolycast_up 1\n`;
  expect(
    mergeMetrics([
      { process: 0, text: page(3) },
      { process: 1, text: page(4) },
    ]),
  ).toBe(`${HEAD}
polycast_sessions{transport="sse",process="0"} 3
polycast_sessions{transport="sse",process="1"} 4

# HELP polycast_up Up.
# TYPE polycast_up gauge
polycast_up{process="0"} 1
polycast_up{process="1"} 1
`);
});

test('a label may contain braces, spaces and the names of comments', () => {
  const text = '# HELP a A.\n# TYPE a counter\na{route="GET /v1/keys/{key}",why="# HELP a"} 2\na{} 5\n';
  expect(mergeMetrics([{ process: 7, text }])).toContain(
    'a{route="GET /v1/keys/{key}",why="# HELP a",process="7"} 2\na{process="7"} 5\n',
  );
});
