import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { PortalApi } from '../model/portal-api.ts';
import { outcomeText, type DeadLetter } from '../model/resources.ts';
import { Notice, Time } from './notice.tsx';

interface DeadLetterListProps {
  readonly api: PortalApi;
  readonly endpoint: string;
  /** A change of it reads the list again. */
  readonly round: number;
  readonly act: (action: Promise<string>) => void;
}

/** Events that were given up on after their last attempt. */
export function DeadLetterList({ api, endpoint, round, act }: DeadLetterListProps): JSX.Element {
  const [deadLetters, setDeadLetters] = useState<readonly DeadLetter[]>();
  const [problem, setProblem] = useState<string>();
  useEffect(() => {
    let isOld = false;
    api.deadLetters(endpoint).then(
      (found) => {
        if (isOld) return;
        setDeadLetters(found);
        setProblem(undefined);
      },
      (error: Error) => !isOld && setProblem(error.message),
    );
    return () => void (isOld = true);
  }, [api, endpoint, round]);
  if (problem !== undefined) return <Notice tone="bad">{problem}</Notice>;
  if (deadLetters === undefined) return <p role="status">Loading…</p>;
  if (deadLetters.length === 0) return <p class="empty">Everything was delivered, or is still being tried.</p>;
  const retry = (event?: string): void => act(api.retry(endpoint, event).then((count) => `${count} sent again.`));
  return (
    <>
      <div class="actions">
        <button type="button" onClick={() => retry()}>
          Retry all
        </button>
      </div>
      <ul class="attempts">
        {deadLetters.map(({ event, attempts, since, outcome }) => (
          <li key={event} class="row">
            <span>
              {outcomeText(outcome)}, after {attempts} {attempts === 1 ? 'attempt' : 'attempts'}
            </span>
            <span class="soft">
              <Time at={since} />
            </span>
            <button type="button" onClick={() => retry(event)}>
              Retry
            </button>
          </li>
        ))}
      </ul>
    </>
  );
}
