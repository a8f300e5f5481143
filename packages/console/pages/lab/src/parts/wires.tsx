import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { LANES } from '../lanes/index.ts';
import type { Session } from '../session.ts';
import { CodePane } from './code-pane.tsx';
import { WirePane } from './wire-pane.tsx';

const VIEWS = ['wire', 'code'] as const;

const VIEW_WORDS = { wire: 'Every byte', code: 'The code' } as const;

/** The raw text of each lane's wire, or the code of the lane. */
export function Wires({ session }: { session: Session }): VNode {
  const [view, setView] = useState<(typeof VIEWS)[number]>('wire');
  return (
    <section class="wires" aria-labelledby="wires-title">
      <div class="section-head">
        <h2 id="wires-title">On the wire</h2>
        <fieldset class="switch">
          <legend class="unseen">Show</legend>
          {VIEWS.map((name) => (
            <label key={name}>
              <input type="radio" name="view" checked={view === name} onChange={() => setView(name)} />
              <span>{VIEW_WORDS[name]}</span>
            </label>
          ))}
        </fieldset>
        <p>
          {view === 'wire'
            ? 'The bytes of each connection, live: between browser and hub and, for the webhook, between hub and receiver.'
            : 'The complete code of each transport, which uses only what browsers have.'}
        </p>
      </div>
      <div class="panes">
        {LANES.map((lane) => {
          const wire = session.wire.lanes[lane.name];
          const port = session.config.lanes.find(({ name }) => name === lane.name)?.port;
          return view === 'wire' ? (
            <WirePane
              key={lane.name}
              lane={lane}
              port={port}
              wire={wire}
              version={wire.version}
              startedAtMs={session.order?.startedAtMs ?? 0}
            />
          ) : (
            <CodePane key={lane.name} lane={lane} />
          );
        })}
      </div>
    </section>
  );
}
