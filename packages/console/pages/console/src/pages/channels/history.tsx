import type { PolycastEvent } from '@polycast/protocol';
import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { Failure, Field, Notice, Progress, valueOf } from '../../parts/basics.tsx';
import { FilterInput } from '../../parts/filter-input.tsx';
import { useErasure } from '../../parts/erasure.tsx';
import { countText, numberText, timeText } from '../../parts/format.ts';
import { setParams, useRoute } from '../../router.ts';
import { cursorAt, readHistory, type HistoryPage } from './channels-api.ts';
import { EventRow } from './event-row.tsx';

const PAGE_EVENTS = 50;
/** With a filter, each request examines more events. */
const FILTERED_PAGE_EVENTS = 500;
/** A filter goes on until it has found this many, or has examined all. */
const FOUND_WANTED = 50;

/** The place in the history, as parameters of the API. */
type Place = Readonly<Partial<Record<'before' | 'after', string>>>;

interface Shown extends Pick<HistoryPage, 'events' | 'previous' | 'next' | 'gaps'> {
  /** Events that a filter has examined. */
  readonly examined: number;
}

/** The stored events of a channel: browsed both ways, from a time on, by type and by content. */
export function History({
  channel,
  version,
  onErased,
}: {
  channel: string;
  version: number;
  onErased: () => void;
}): VNode {
  const { params } = useRoute();
  const type = params.get('type') ?? '';
  const text = params.get('text') ?? '';
  const place = placeOf(params);
  const [shown, setShown] = useState<Shown>();
  const [error, setError] = useState<unknown>(undefined);
  const [examined, setExamined] = useState<number>();
  const abort = useRef(new AbortController());
  const erasure = useErasure(onErased);

  useEffect(() => {
    abort.current.abort();
    abort.current = new AbortController();
    const { signal } = abort.current;
    const load = async (): Promise<void> => {
      try {
        const page = await find(channel, place, { type, text }, signal, setExamined);
        if (!signal.aborted) setShown(page);
        setError(undefined);
      } catch (failure) {
        if (!signal.aborted) setError(failure);
      }
      if (!signal.aborted) setExamined(undefined);
    };
    void load();
    return () => abort.current.abort();
  }, [channel, version, type, text, place.before, place.after]);

  const go = (to: Place): void => setParams({ before: to.before ?? '', after: to.after ?? '' });
  return (
    <>
      <Filters
        channel={channel}
        type={type}
        text={text}
        onTime={(cursor) => go({ after: cursor })}
        onError={setError}
      />
      <Failure error={error} />
      {erasure.view}
      {examined !== undefined && <Progress label={`Examined ${countText(examined, 'event')}`} done={0} of={1} />}
      {shown !== undefined && (
        <>
          <FoundEvents
            shown={shown}
            isFiltered={type + text !== ''}
            onErase={(id) => erasure.ask({ kind: 'event', name: id })}
          />
          <Ways shown={shown} isNewest={Object.keys(place).length === 0} go={go} />
        </>
      )}
    </>
  );
}

/** The events of a page, with the gaps before them. */
function FoundEvents({
  shown,
  isFiltered,
  onErase,
}: {
  shown: Shown;
  isFiltered: boolean;
  onErase: (id: string) => void;
}): VNode {
  return (
    <>
      {shown.gaps.map((gap) => (
        <p key={gap.to} class="failure">
          Events after {gap.from}, up to {gap.to}, can no longer be read: {gap.reason}.
        </p>
      ))}
      {shown.events.length === 0 ? (
        <p class="empty">{isFiltered ? 'No stored event matches.' : 'No stored events here.'}</p>
      ) : (
        <ol class="events" aria-label="Events, newest first">
          {shown.events.toReversed().map((event) => (
            <EventRow key={event.id} event={event} showChannel={false} onErase={onErase} />
          ))}
        </ol>
      )}
      {shown.examined > shown.events.length && (
        <Notice>
          {countText(shown.events.length, 'event')} of {numberText(shown.examined)} examined.
        </Notice>
      )}
    </>
  );
}

/** The ways on: to older and to newer events. */
function Ways({ shown, isNewest, go }: { shown: Shown; isNewest: boolean; go: (to: Place) => void }): VNode {
  return (
    <div class="row-buttons history-ways">
      <button type="button" disabled={shown.previous === null} onClick={() => go({ before: shown.previous ?? '' })}>
        Older
      </button>
      <button type="button" disabled={shown.next === null} onClick={() => go({ after: shown.next ?? '' })}>
        Newer
      </button>
      <button type="button" disabled={isNewest} onClick={() => go({})}>
        Newest
      </button>
    </div>
  );
}

/** Another filter begins with the newest events again. */
const FROM_NEWEST = { before: '', after: '' };

function placeOf(params: URLSearchParams): Place {
  const before = params.get('before');
  const after = params.get('after');
  if (after !== null && after !== '') return { after };
  return before !== null && before !== '' ? { before } : {};
}

function Filters({
  channel,
  type,
  text,
  onTime,
  onError,
}: {
  channel: string;
  type: string;
  text: string;
  onTime: (cursor: string) => void;
  onError: (error: unknown) => void;
}): VNode {
  const [time, setTime] = useState('');
  const [step, setStep] = useState<number>();
  const jump = async (event: Event): Promise<void> => {
    event.preventDefault();
    const wanted = Date.parse(time);
    if (Number.isNaN(wanted)) return;
    try {
      const cursor = await cursorAt(channel, wanted, setStep);
      if (cursor !== null) onTime(cursor);
    } catch (failure) {
      onError(failure);
    }
    setStep(undefined);
  };
  return (
    <form class="filters" onSubmit={(event) => void jump(event)}>
      <Field label="Type">
        <FilterInput
          value={type}
          onEnter={(entered) => setParams({ type: entered, ...FROM_NEWEST })}
          placeholder="order.paid"
        />
      </Field>
      <Field label="Content contains">
        <FilterInput
          value={text}
          onEnter={(entered) => setParams({ text: entered, ...FROM_NEWEST })}
          placeholder="baked"
        />
      </Field>
      <Field label="Jump to a time">
        <input type="datetime-local" step="1" value={time} onInput={(event) => setTime(valueOf(event))} />
      </Field>
      <button type="submit" disabled={time === '' || step !== undefined}>
        {step === undefined ? 'Jump' : `Step ${step} …`}
      </button>
      <span class="unseen" role="status">
        {step === undefined ? '' : `Looking for ${timeText(time)}`}
      </span>
    </form>
  );
}

/**
 * A page of the history. With a filter, further pages in the same direction, until enough match.
 */
async function find(
  channel: string,
  place: Place,
  filter: { readonly type: string; readonly text: string },
  signal: AbortSignal,
  onExamined: (count: number) => void,
): Promise<Shown> {
  const isFiltered = filter.type + filter.text !== '';
  const limit = String(isFiltered ? FILTERED_PAGE_EVENTS : PAGE_EVENTS);
  const first = await readHistory(channel, { ...place, limit }, signal);
  if (!isFiltered) return { ...first, examined: first.events.length };
  const forward = place.after !== undefined;
  let events = first.events.filter((event) => isMatch(event, filter));
  let examined = first.events.length;
  let page = first;
  for (;;) {
    const onward = forward ? page.next : page.previous;
    if (onward === null || events.length >= FOUND_WANTED) break;
    onExamined(examined);
    page = await readHistory(channel, { [forward ? 'after' : 'before']: onward, limit }, signal);
    if (page.events.length === 0) break;
    const found = page.events.filter((event) => isMatch(event, filter));
    events = forward ? [...events, ...found] : [...found, ...events];
    examined += page.events.length;
  }
  const [previous, next] = forward ? [first.previous, page.next] : [page.previous, first.next];
  return { events, previous, next, gaps: first.gaps, examined };
}

export function isMatch(
  event: PolycastEvent,
  { type, text }: { readonly type: string; readonly text: string },
): boolean {
  if (type !== '' && event.type !== type) return false;
  return (
    text === '' ||
    JSON.stringify(event.data ?? '')
      .toLowerCase()
      .includes(text.toLowerCase())
  );
}
