import type { VNode } from 'preact';
import { useRef, useState } from 'preact/hooks';
import { read, send } from '../../hub/hub.ts';
import { Failure, Field, ListEnd, Notice, Progress, Time, valueOf } from '../../parts/basics.tsx';
import { Confirm } from '../../parts/dialog.tsx';
import { countText } from '../../parts/format.ts';
import { usePages } from '../../parts/use-pages.ts';
import { listDeadLetters, pathOf, type DeadLetter, type Subscription } from './subscriptions-api.ts';

interface Task {
  readonly verb: string;
  readonly done: number;
  readonly of: number;
}

/** What is done to dead letters, one after the other, and how far it is. */
interface Work {
  readonly task: Task | undefined;
  readonly notice: string;
  readonly error: unknown;
  /** Does the same to each of some letters, until it is stopped. */
  readonly each: (
    verb: string,
    letters: readonly DeadLetter[],
    act: (event: string) => Promise<unknown>,
  ) => Promise<void>;
  readonly retryAll: () => Promise<void>;
  readonly stop: () => void;
}

function useWork(id: string, onDone: () => void): Work {
  const [task, setTask] = useState<Task>();
  const [notice, setNotice] = useState('');
  const [error, setError] = useState<unknown>(undefined);
  const isStopped = useRef(false);
  return {
    task,
    notice,
    error,
    async each(verb, letters, act) {
      isStopped.current = false;
      setError(undefined);
      let done = 0;
      try {
        for (const { event } of letters) {
          if (isStopped.current) break;
          setTask({ verb, done, of: letters.length });
          await act(event);
          done++;
        }
      } catch (failure) {
        setError(failure);
      }
      setTask(undefined);
      setNotice(`${verb} ${done} of ${countText(letters.length, 'dead letter')}.`);
      onDone();
    },
    async retryAll() {
      setError(undefined);
      try {
        const { retried } = await send<{ retried: number }>('POST', pathOf(id, '/dead-letters/retry'));
        setNotice(`Retried ${countText(retried, 'dead letter')}.`);
      } catch (failure) {
        setError(failure);
      }
      onDone();
    },
    stop: () => void (isStopped.current = true),
  };
}

/**
 * Events that the hub has given up on: retried or discarded, some or all. They cannot be edited.
 */
export function DeadLetters({ subscription, reload }: { subscription: Subscription; reload: () => void }): VNode {
  const { id, backlog } = subscription;
  const [text, setText] = useState('');
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [isAsked, setAsked] = useState(false);
  const pages = usePages((after, signal) => listDeadLetters(id, after, signal), [id], backlog.deadLetters);
  const shown = pages.items.filter((letter) => textOf(letter).includes(text.toLowerCase()));
  const picked = shown.filter(({ event }) => chosen.has(event));
  const { task, notice, error, each, retryAll, stop } = useWork(id, () => {
    setChosen(new Set());
    pages.reload();
    reload();
  });
  const retry = (): Promise<void> =>
    each('Retried', picked, (event) => send('POST', pathOf(id, `/dead-letters/${event}/retry`)));
  const discard = (): Promise<void> =>
    each('Discarded', picked, (event) => send('DELETE', pathOf(id, `/dead-letters/${event}`)));
  const toggle = (event: string): void =>
    setChosen((present) => {
      const changed = new Set(present);
      if (!changed.delete(event)) changed.add(event);
      return changed;
    });
  return (
    <>
      {pages.items.length > 0 && (
        <div class="filters">
          <Field label="Filter" hint="By channel, outcome or id.">
            <input type="search" value={text} onInput={(event) => setText(valueOf(event))} />
          </Field>
          <div class="row-buttons">
            <button type="button" onClick={() => setChosen(new Set(shown.map(({ event }) => event)))}>
              Choose {countText(shown.length, 'shown one', 'shown ones')}
            </button>
            <button type="button" disabled={picked.length === 0 || task !== undefined} onClick={() => void retry()}>
              Retry {picked.length}
            </button>
            <button type="button" disabled={task !== undefined} onClick={() => void retryAll()}>
              Retry all
            </button>
            <button type="button" disabled={picked.length === 0 || task !== undefined} onClick={() => setAsked(true)}>
              Discard {picked.length} …
            </button>
          </div>
        </div>
      )}
      <Failure error={error} />
      {notice !== '' && task === undefined && <Notice>{notice}</Notice>}
      {task !== undefined && <Running task={task} stop={stop} />}
      {shown.length > 0 && (
        <ul class="events" aria-label="Dead letters, oldest first">
          {shown.map((letter) => (
            <Letter
              key={letter.event}
              id={id}
              letter={letter}
              isChosen={chosen.has(letter.event)}
              onToggle={() => toggle(letter.event)}
            />
          ))}
        </ul>
      )}
      <ListEnd pages={pages} empty="No dead letters: every event has been delivered, or is still tried." />
      {isAsked && (
        <Confirm title="Discard dead letters" name={id} verb="Discard" act={discard} onClose={() => setAsked(false)}>
          {countText(picked.length, 'dead letter')} will never be delivered by this subscription.
        </Confirm>
      )}
    </>
  );
}

function Running({ task: { verb, done, of }, stop }: { task: Task; stop: () => void }): VNode {
  return (
    <div class="row-buttons">
      <Progress label={`${verb} ${done} of ${of}`} done={done} of={of} />
      <button type="button" onClick={stop}>
        Stop
      </button>
    </div>
  );
}

function textOf({ event, channel, outcome, detail }: DeadLetter): string {
  return `${event} ${channel} ${outcome} ${detail}`.toLowerCase();
}

function Letter({
  id,
  letter,
  isChosen,
  onToggle,
}: {
  id: string;
  letter: DeadLetter;
  isChosen: boolean;
  onToggle: () => void;
}): VNode {
  const { event, channel, attempts, since, outcome, detail } = letter;
  const [payload, setPayload] = useState<unknown>(undefined);
  const open = async (isOpen: boolean): Promise<void> => {
    if (isOpen && payload === undefined)
      setPayload(await read(pathOf(id, `/dead-letters/${event}`)).catch((error: unknown) => String(error)));
  };
  return (
    <li class="event letter">
      <input type="checkbox" checked={isChosen} onChange={onToggle} aria-label={`Choose ${event}`} />
      <details onToggle={({ currentTarget }) => void open(currentTarget.open)}>
        <summary>
          <span class="event-time">
            <Time at={since} />
          </span>
          <span class="event-channel">{channel}</span>
          <span class="tag bad">{outcome.replaceAll('_', ' ')}</span>
          <span>{detail}</span>
          <span class="soft">{countText(attempts, 'attempt')}</span>
          <span class="event-data">{event}</span>
        </summary>
        {payload !== undefined && (
          <pre class="json" tabIndex={0}>
            {JSON.stringify(payload, null, 2)}
          </pre>
        )}
      </details>
    </li>
  );
}
