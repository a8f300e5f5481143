import type { VNode } from 'preact';
import type { Lane } from '../lanes/index.ts';

/** The browser functions in which the lanes differ, which are highlighted. */
const PLATFORM = /(fetch|new EventSource|new WebSocket)(?=\()/;

/** The code that runs in a lane. A long line continues below, indented. */
export function CodePane({ lane }: { lane: Lane }): VNode {
  const lines = lane.code.split('\n');
  return (
    <section class="pane" aria-label={`Code of ${lane.title}`}>
      <header>
        <h3>{lane.title}</h3>
        <span>{lines.length} lines</span>
      </header>
      <pre class="code" tabIndex={0}>
        {lines.map((line) => (
          <Line line={line} />
        ))}
      </pre>
    </section>
  );
}

function Line({ line }: { line: string }): VNode {
  const text = line.trimStart();
  const comment = text.indexOf('// ');
  const code = comment < 0 ? text : text.slice(0, comment);
  return (
    <span class="code-line" style={{ '--indent': String(line.length - text.length) }}>
      {code.split(PLATFORM).map((part) => (PLATFORM.test(`${part}(`) ? <b>{part}</b> : part))}
      {comment >= 0 && <span class="comment">{text.slice(comment)}</span>}
      {'\n'}
    </span>
  );
}
