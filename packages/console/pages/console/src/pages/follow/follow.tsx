import type { Gap, PolycastEvent } from '@polycast/protocol';
import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { connectForBulk } from '../../hub/hub.ts';
import { Failure, Field, Head, valueOf } from '../../parts/basics.tsx';
import { FilterInput } from '../../parts/filter-input.tsx';
import { numberText } from '../../parts/format.ts';
import { setParams, useRoute } from '../../router.ts';
import { EventRow } from '../channels/event-row.tsx';
import { isMatch } from '../channels/history.tsx';
import { Sampler } from './sampler.ts';

const TICK_MS = 250;
/** 100 a second: more than anybody reads. */
const SHOWN_PER_TICK = 25;
const ROWS_MAX = 200;
const EXPORTED_MAX = 10_000;
const GAPS_MAX = 5;

/** What the view shows; it changes once a tick, whatever arrives. */
interface Shown {
  /** Each event's node is made once: Preact passes over a node that it has seen. */
  readonly rows: readonly VNode[];
  readonly received: number;
  readonly perSecond: number;
  readonly oneOf: number;
  /** Events that the export does not have any more. */
  readonly left: number;
}

const NOTHING: Shown = { rows: [], received: 0, perSecond: 0, oneOf: 1, left: 0 };

/** A reader of live events, as the view sees it. */
interface Following {
  readonly shown: Shown;
  readonly gaps: readonly Gap[];
  readonly error: unknown;
  /** The state of the connection, with its transport. */
  readonly state: string;
  readonly sampler: Sampler;
}

/** Live events of some channels or patterns, by the transport that works best. */
export function Follow(): VNode {
  const { params } = useRoute();
  const channels = params.get('channels') ?? '';
  const type = params.get('type') ?? '';
  const text = params.get('text') ?? '';
  const [isPaused, setPaused] = useState(false);
  const { shown, gaps, error, state, sampler } = useFollowing(channels, { type, text }, isPaused);
  return (
    <>
      <Head title="Follow" lead="Events as they are published. Nothing is stored in the browser." />
      <FollowForm channels={channels} type={type} text={text} />
      <Failure error={error} />
      {channels !== '' && (
        <>
          <div class="follow-bar">
            <p role="status">{sentence(shown, isPaused, state)}</p>
            <div class="row-buttons">
              <button type="button" aria-pressed={isPaused} onClick={() => setPaused(!isPaused)}>
                {isPaused ? 'Resume' : 'Pause'}
              </button>
              <button type="button" onClick={() => save(sampler)} disabled={shown.received === 0}>
                Export NDJSON
              </button>
            </div>
          </div>
          <p class="lead">{exportSentence(shown)}</p>
          {gaps.map((gap) => (
            <p key={gap.to} class="failure" role="alert">
              Gap up to {gap.to}: {gap.reason}. The events in between can no longer be delivered.
            </p>
          ))}
          <ol class="events" aria-label="Live events, newest first">
            {shown.rows}
          </ol>
        </>
      )}
    </>
  );
}

/** Subscribes while the view is open. What it shows changes once a tick. */
function useFollowing(
  channels: string,
  filter: { readonly type: string; readonly text: string },
  isPaused: boolean,
): Following {
  const [shown, setShown] = useState<Shown>(NOTHING);
  const [gaps, setGaps] = useState<readonly Gap[]>([]);
  const [error, setError] = useState<unknown>(undefined);
  const [state, setState] = useState('');
  const sampler = useRef(new Sampler(SHOWN_PER_TICK, EXPORTED_MAX)).current;
  const paused = useRef(false);
  paused.current = isPaused;

  useEffect(() => {
    if (channels === '') return undefined;
    sampler.clear();
    setShown(NOTHING);
    setGaps([]);
    setError(undefined);
    const source = connectForBulk();
    const stops = [
      () => source.close(),
      source.on('state', (change) => setState(`${change.state} ${change.transport ?? ''}`.trim())),
      source.on('error', ({ error: failure }) => setError(failure)),
      startTicks(sampler, () => paused.current, setShown),
    ];
    try {
      const patterns = channels.split(/[\s,]+/).filter((pattern) => pattern !== '');
      const handle = (event: PolycastEvent): void => void (isMatch(event, filter) && sampler.add(event));
      const onGap = (gap: Gap): void => setGaps((known) => [...known, gap].slice(-GAPS_MAX));
      source.subscribe(patterns, handle, { onGap });
    } catch (failure) {
      setError(failure);
    }
    return () => stops.forEach((stop) => stop());
  }, [channels, filter.type, filter.text]);
  return { shown, gaps, error, state, sampler };
}

/** Takes what the sampler shows, at each tick. Returns the function that ends it. */
function startTicks(
  sampler: Sampler,
  isPaused: () => boolean,
  setShown: (change: (present: Shown) => Shown) => void,
): () => void {
  let lastReceived = 0;
  let lastMs = performance.now();
  const timer = setInterval(() => {
    if (isPaused()) return;
    const { events, oneOf } = sampler.take();
    const nowMs = performance.now();
    const perSecond = ((sampler.received - lastReceived) / (nowMs - lastMs)) * 1000;
    lastReceived = sampler.received;
    lastMs = nowMs;
    setShown((present) =>
      events.length === 0 && present.perSecond < 0.01
        ? present
        : {
            rows: [...events.toReversed().map(rowOf), ...present.rows].slice(0, ROWS_MAX),
            received: sampler.received,
            perSecond: present.perSecond * 0.7 + perSecond * 0.3,
            oneOf,
            left: sampler.left,
          },
    );
  }, TICK_MS);
  return () => clearInterval(timer);
}

function rowOf(event: PolycastEvent): VNode {
  return <EventRow key={event.id} event={event} showChannel />;
}

/** What the export has, in words. */
function exportSentence({ received, left }: Shown): string {
  const bounds = `at most ${numberText(EXPORTED_MAX)} events and 16 MB in memory`;
  return left === 0
    ? `The export has all of these events: ${bounds}.`
    : `The export has the newest ${numberText(received - left)} of ${numberText(received)} events: ${bounds}.`;
}

/** What is shown of what arrives, in words. */
function sentence({ received, perSecond, oneOf }: Shown, isPaused: boolean, state: string): string {
  const count = `${numberText(received)} received, ${numberText(Math.round(perSecond))} a second`;
  if (isPaused) return `Paused. ${count}.`;
  if (received > 0 && !state.startsWith('open'))
    return `Not connected (${state}). ${count}. The events in between follow when the hub is back.`;
  if (received === 0) return `Waiting for the first event (${state === '' ? 'connecting' : state}).`;
  return oneOf === 1 ? `${count}. All are shown.` : `${count}. Sampled: 1 of ${oneOf} is shown, all are counted.`;
}

function FollowForm({ channels, type, text }: { channels: string; type: string; text: string }): VNode {
  const [typed, setTyped] = useState(channels);
  const start = (event: Event): void => {
    event.preventDefault();
    setParams({ channels: typed.trim() });
  };
  return (
    <form class="filters" onSubmit={start}>
      <Field label="Channels or patterns">
        <input
          value={typed}
          onInput={(event) => setTyped(valueOf(event))}
          placeholder="orders.> news.*"
          spellcheck={false}
          autocomplete="off"
        />
      </Field>
      <Field label="Type">
        <FilterInput value={type} onEnter={(entered) => setParams({ type: entered })} placeholder="order.paid" />
      </Field>
      <Field label="Content contains">
        <FilterInput value={text} onEnter={(entered) => setParams({ text: entered })} />
      </Field>
      <button type="submit" class="primary" disabled={typed.trim() === ''}>
        Follow
      </button>
    </form>
  );
}

/** Saves the newest events as a file. */
function save(sampler: Sampler): void {
  const url = URL.createObjectURL(new Blob([sampler.export()], { type: 'application/x-ndjson' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = 'events.ndjson';
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
