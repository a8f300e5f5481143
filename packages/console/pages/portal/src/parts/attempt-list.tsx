import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { withNewest, withOlder } from '../model/attempt-pages.ts';
import type { AttemptPage, PortalApi } from '../model/portal-api.ts';
import { outcomeText, type Attempt } from '../model/resources.ts';
import { Notice, Time } from './notice.tsx';

interface AttemptListProps {
  readonly api: PortalApi;
  readonly endpoint: string;
  /** A change of it reads the newest attempts again. What is open stays open. */
  readonly round: number;
}

/** The attempts of an endpoint, the newest first. */
export function AttemptList({ api, endpoint, round }: AttemptListProps): JSX.Element {
  const [shown, setShown] = useState<AttemptPage>();
  const [problem, setProblem] = useState<string>();
  const load = (before?: number): void =>
    void api.attempts(endpoint, before).then(
      (page) => {
        setShown((known) => (before === undefined ? withNewest(known, page) : withOlder(known, page)));
        setProblem(undefined);
      },
      (error: Error) => setProblem(error.message),
    );
  useEffect(() => load(), [api, endpoint, round]);
  if (shown === undefined)
    return problem === undefined ? <p role="status">Loading…</p> : <Notice tone="bad">{problem}</Notice>;
  const { attempts, next } = shown;
  return (
    <>
      {problem !== undefined && <Notice tone="bad">{problem}</Notice>}
      {attempts.length === 0 && <p class="empty">Nothing was sent yet.</p>}
      <ul class="attempts">
        {attempts.map((attempt) => (
          <li key={attempt.number}>
            <AttemptView api={api} endpoint={endpoint} attempt={attempt} />
          </li>
        ))}
      </ul>
      {next !== null && (
        <button type="button" onClick={() => load(next)}>
          Older attempts
        </button>
      )}
    </>
  );
}

interface AttemptViewProps {
  readonly api: PortalApi;
  readonly endpoint: string;
  readonly attempt: Attempt;
}

function AttemptView({ api, endpoint, attempt }: AttemptViewProps): JSX.Element {
  const { event, outcome, started, timing, response, detail } = attempt;
  const [payload, setPayload] = useState<string>();
  const onToggle = ({ currentTarget }: { readonly currentTarget: HTMLDetailsElement }): void => {
    if (!currentTarget.open || event === null || payload !== undefined) return;
    api.payload(endpoint, event).then(
      (found) => setPayload(found === null ? 'The event is no longer stored.' : JSON.stringify(found, null, 2)),
      (error: Error) => setPayload(error.message),
    );
  };
  return (
    <details onToggle={onToggle}>
      <summary>
        <span class={`badge ${outcome === 'delivered' ? 'good' : 'bad'}`}>
          {response?.status ?? (outcome === 'delivered' ? '✓' : '✗')}
        </span>
        <span>{outcomeText(outcome)}</span>
        <span class="soft">
          <Time at={started} /> · {Math.round(timing.totalMs)} ms
        </span>
      </summary>
      {detail !== '' && <p>{detail}</p>}
      <h3>Event</h3>
      <pre tabIndex={0}>{event === null ? 'This request had no event.' : (payload ?? 'Loading…')}</pre>
      <h3>Request</h3>
      <pre tabIndex={0}>{headersOf(attempt.request.headers)}</pre>
      {response !== null && (
        <>
          <h3>Answer</h3>
          <pre tabIndex={0}>{`${headersOf(response.headers)}\n\n${response.body}`}</pre>
        </>
      )}
    </details>
  );
}

function headersOf(headers: Readonly<Record<string, string>>): string {
  return Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}`)
    .join('\n');
}
