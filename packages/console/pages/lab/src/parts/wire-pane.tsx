import { Component, createRef } from 'preact';
import type { VNode } from 'preact';
import type { Lane } from '../lanes/index.ts';
import type { WireEntry } from '../model/exchange.ts';
import { responderOf, requesterOf } from '../model/sides.ts';
import { bytesText } from '../model/format.ts';
import type { LaneWire } from '../model/wire-model.ts';

interface WirePaneProps {
  readonly lane: Lane;
  readonly port: number | undefined;
  readonly wire: LaneWire;
  readonly version: number;
  readonly startedAtMs: number;
}

/** One lane's wire as text. It scrolls to the newest line, unless the reader has scrolled up. */
export class WirePane extends Component<WirePaneProps> {
  readonly #scroller = createRef<HTMLDivElement>();
  #follows = true;

  override shouldComponentUpdate(next: WirePaneProps): boolean {
    return next.version !== this.props.version || next.wire !== this.props.wire || next.port !== this.props.port;
  }

  override componentDidUpdate(): void {
    const scroller = this.#scroller.current;
    if (scroller !== null && this.#follows) scroller.scrollTop = scroller.scrollHeight;
  }

  override render({ lane, port, wire, startedAtMs }: WirePaneProps): VNode {
    return (
      <section class="pane" aria-label={`Wire of ${lane.title}`}>
        <header>
          <h3>{lane.title}</h3>
          <span>{port === undefined ? '' : `port ${port}`}</span>
        </header>
        <div
          class="entries"
          ref={this.#scroller}
          tabIndex={0}
          onScroll={(event) => this.#scrolled(event.currentTarget)}
        >
          {wire.entries.length === 0 && <p class="empty">Nothing yet.</p>}
          {wire.entries.map((entry) => (
            <Entry key={entry.number} lane={lane} entry={entry} startedAtMs={startedAtMs} />
          ))}
        </div>
      </section>
    );
  }

  #scrolled(scroller: HTMLDivElement): void {
    this.#follows = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 24;
  }
}

const ARROWS: Readonly<Record<WireEntry['direction'], string>> = { up: '↑', down: '↓', note: '·' };

function Entry({ lane, entry, startedAtMs }: { lane: Lane; entry: WireEntry; startedAtMs: number }): VNode {
  const { name } = lane;
  const { direction, kind, atMs, label, text, byteCount } = entry;
  const time = ((atMs - startedAtMs) / 1000).toFixed(3);
  if (direction === 'note') return <p class="entry note">{text}</p>;
  return (
    <div class={`entry ${direction} ${kind}`}>
      <p class="entry-head">
        <span class="arrow" title={`from the ${direction === 'up' ? requesterOf(name) : responderOf(name)}`}>
          {ARROWS[direction]}
        </span>
        <time>{time} s</time> <span>{label}</span> <span class="entry-bytes">{bytesText(byteCount)}</span>
      </p>
      {kind === 'head' ? <Head text={text} /> : <pre>{text}</pre>}
    </div>
  );
}

/** The first line of a request or an answer, and its header below it. */
function Head({ text }: { text: string }): VNode {
  const [startLine = '', ...lines] = text.split('\r\n');
  return (
    <details>
      <summary>{startLine}</summary>
      <pre>
        {lines.map((line) => {
          const colon = line.indexOf(':') + 1;
          return (
            <>
              <span class="header-name">{line.slice(0, colon)}</span>
              {`${line.slice(colon)}\n`}
            </>
          );
        })}
      </pre>
    </details>
  );
}
