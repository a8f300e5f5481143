import { PolycastError } from '@polycast/client';
import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { read, send } from '../hub/hub.ts';
import { Failure, Notice, Progress } from './basics.tsx';
import { Confirm } from './dialog.tsx';
import { countText } from './format.ts';

/**
 * An erasure removes data permanently. The hub stores the request, and carries it out in small
 * steps. Example: the erasure of the user `ann` takes her private channel, and the events that
 * she published.
 */
export interface ErasureTarget {
  readonly kind: 'event' | 'channel' | 'user';
  /** The id of an event, or the name of a channel or a user. A person types it to confirm. */
  readonly name: string;
}

/** An answer of `GET /v1/erasures/{id}`. */
interface Erasure extends ErasureTarget {
  readonly id: string;
  readonly state: 'pending' | 'running' | 'finished';
  readonly events: number;
  readonly progress: number;
}

const PROGRESS_INTERVAL_MS = 300;

const PATHS: Readonly<Record<ErasureTarget['kind'], (name: string) => string>> = {
  event: (name) => `events/${name}`,
  channel: (name) => `channels/${name}`,
  user: (name) => `users/${name}/data`,
};

/** The consequences, in the words of the question. */
const CONSEQUENCES: Readonly<Record<ErasureTarget['kind'], string>> = {
  event: 'The event is erased permanently: in the log, in queues, and in stored attempts.',
  channel: 'All events that the channel has now are erased permanently, and its name. Later events stay.',
  user: 'The private messages of this user, and all events that the user published, are erased permanently.',
};

/**
 * Asks for an erasure by name, requests it, and shows how far it is.
 * @param onFinished runs when the hub has erased everything
 */
export function useErasure(onFinished: () => void): {
  readonly ask: (target: ErasureTarget) => void;
  /** The question, then the progress, then the result. */
  readonly view: VNode;
} {
  const [asked, setAsked] = useState<ErasureTarget>();
  const [erasure, setErasure] = useState<Erasure>();
  const [error, setError] = useState<unknown>(undefined);
  useEffect(() => {
    if (erasure === undefined || erasure.state === 'finished') return undefined;
    const abort = new AbortController();
    const readProgress = async (): Promise<void> => {
      try {
        const present = await read<Erasure>(`erasures/${erasure.id}`, abort.signal);
        if (abort.signal.aborted) return;
        setError(undefined);
        setErasure(present);
        if (present.state === 'finished') onFinished();
      } catch (failure) {
        if (abort.signal.aborted) return;
        setError(failure);
        // A hub that has restarted since does not list what finished before.
        if (!(failure instanceof PolycastError && failure.code === 'not_found')) setErasure({ ...erasure });
      }
    };
    const timer = setTimeout(() => void readProgress(), PROGRESS_INTERVAL_MS);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [erasure]);
  const request = async ({ kind, name }: ErasureTarget): Promise<void> => {
    const requested = await send<Erasure>('DELETE', PATHS[kind](encodeURIComponent(name)));
    setError(undefined);
    setErasure(requested);
  };
  const view = (
    <>
      <Failure error={error} />
      {erasure !== undefined && <ErasureProgress erasure={erasure} />}
      {asked !== undefined && (
        <Confirm
          title={`Erase the ${asked.kind}`}
          name={asked.name}
          verb="Erase"
          act={() => request(asked)}
          onClose={() => setAsked(undefined)}
        >
          {CONSEQUENCES[asked.kind]} Backups and copies of clients still have the data.
        </Confirm>
      )}
    </>
  );
  return { ask: setAsked, view };
}

function ErasureProgress({ erasure: { name, state, events, progress } }: { erasure: Erasure }): VNode {
  if (state === 'finished')
    return (
      <Notice>
        Erased {name}: {countText(events, 'event')}. The audit log has an entry.
      </Notice>
    );
  const label = `Erasing ${name}: ${Math.floor(100 * progress)} %, ${countText(events, 'event')}. The hub continues when you leave.`;
  return <Progress label={label} done={progress} of={1} />;
}
