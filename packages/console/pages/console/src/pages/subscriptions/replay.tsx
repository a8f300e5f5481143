import { parseCursor } from '@polycast/protocol';
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { read, send } from '../../hub/hub.ts';
import { Failure, Field, Progress, Time, valueOf } from '../../parts/basics.tsx';
import { durationText } from '../../parts/format.ts';
import { useLoad } from '../../parts/use-load.ts';
import { pathOf, type Replay, type Subscription } from './subscriptions-api.ts';

const REFRESH_MS = 1000;
/** The timeline's positions: the newest at the right end. */
const POSITIONS = 1000;
const SPANS = [
  { title: 'last hour', seconds: 3600 },
  { title: 'last day', seconds: 86_400 },
  { title: 'last week', seconds: 604_800 },
  { title: 'last month', seconds: 2_592_000 },
];

/** Delivers stored events again from a moment on a timeline, and shows how far it has come. */
export function ReplayForm({ subscription }: { subscription: Subscription }): VNode {
  const { id, state } = subscription;
  const [span, setSpan] = useState(0);
  const [position, setPosition] = useState(POSITIONS / 2);
  const [channel, setChannel] = useState('');
  const [error, setError] = useState<unknown>(undefined);
  const running = useLoad(
    (signal) => read<{ replays: readonly Replay[] }>(pathOf(id, '/replays'), signal),
    [id],
    REFRESH_MS,
  );
  const seconds = SPANS[span]?.seconds ?? 3600;
  const ago = seconds * (1 - position / POSITIONS);
  const since = new Date(Date.now() - ago * 1000).toISOString();
  const start = async (event: Event): Promise<void> => {
    event.preventDefault();
    setError(undefined);
    const body = { since, ...(channel !== '' && { channel }) };
    await send('POST', pathOf(id, '/replay'), body).then(running.reload, setError);
  };
  return (
    <form class="card form" onSubmit={(event) => void start(event)}>
      <Field label="Timeline">
        <select value={span} onChange={(event) => setSpan(Number(valueOf(event)))}>
          {SPANS.map(({ title }, index) => (
            <option key={title} value={index}>
              {title}
            </option>
          ))}
        </select>
      </Field>
      <Field label="Only the channel" hint="Optional.">
        <input value={channel} onInput={(event) => setChannel(valueOf(event))} placeholder="orders.42" />
      </Field>
      <div class="wide">
        <Field label="From the moment">
          <input
            type="range"
            min={0}
            max={POSITIONS}
            value={position}
            aria-valuetext={`${durationText(Math.round(ago))} ago`}
            onInput={(event) => setPosition(Number(valueOf(event)))}
          />
        </Field>
        <p>
          All events since <Time at={since} />, {durationText(Math.round(ago))} ago, are delivered again.
        </p>
      </div>
      <div class="wide">
        <Failure error={error} />
        {(running.value?.replays ?? []).map((replay) => (
          <Progress key={replay.id} {...progressOf(replay)} />
        ))}
        <button type="submit" class="primary" disabled={state !== 'active'}>
          Replay
        </button>
        {state !== 'active' && <span class="soft"> Only an active subscription can replay.</span>}
      </div>
    </form>
  );
}

/** How far a replay has come, in positions of the log. */
function progressOf({ after, through, reached }: Replay): { label: string; done: number; of: number } {
  const [start = 0, end = 0, now = 0] = [after, through, reached].map((cursor) => parseCursor(cursor)?.position ?? 0);
  const of = Math.max(1, end - start);
  return { label: `Replayed ${Math.floor(((now - start) / of) * 100)} %`, done: now - start, of };
}
