import type { VNode } from 'preact';
import { ListEnd, Time } from '../../parts/basics.tsx';
import { countText, durationText } from '../../parts/format.ts';
import { usePages } from '../../parts/use-pages.ts';
import { listAttempts, type Attempt } from './subscriptions-api.ts';

/** The attempts of a webhook, newest first, each with its request and its response. */
export function Attempts({ id, version }: { id: string; version: string }): VNode {
  const pages = usePages((after, signal) => listAttempts(id, after, signal), [id], version);
  return (
    <>
      {pages.items.length > 0 && (
        <ol class="events" aria-label="Attempts, newest first">
          {pages.items.map((attempt) => (
            <AttemptRow key={attempt.number} attempt={attempt} />
          ))}
        </ol>
      )}
      <ListEnd pages={pages} empty="No attempt yet." />
    </>
  );
}

export function AttemptRow({ attempt, isOpen = false }: { attempt: Attempt; isOpen?: boolean }): VNode {
  const { number, event, count, attempt: turn, started, outcome, detail, request, response, timing } = attempt;
  const isGood = outcome === 'delivered';
  return (
    <li class="event">
      <details open={isOpen}>
        <summary>
          <span class="event-time">
            <Time at={started} />
          </span>
          <span class={`tag ${isGood ? 'well' : 'bad'}`}>{outcome.replaceAll('_', ' ')}</span>
          <span>{detail}</span>
          <span class="soft">
            attempt {turn}
            {count > 1 && `, ${countText(count, 'event')}`}
          </span>
          <span class="event-data">{event ?? 'sample or verification'}</span>
          <span class="soft nowrap">{durationText((timing['totalMs'] ?? 0) / 1000)}</span>
        </summary>
        <div class="event-whole two">
          <figure>
            <figcaption>Request {number}</figcaption>
            <pre class="json" tabIndex={0}>
              {JSON.stringify(request, null, 2)}
            </pre>
          </figure>
          <figure>
            <figcaption>Response</figcaption>
            <pre class="json" tabIndex={0}>
              {response === null ? noResponse(attempt) : JSON.stringify(response, null, 2)}
            </pre>
          </figure>
          <figure>
            <figcaption>Timing in milliseconds</figcaption>
            <pre class="json" tabIndex={0}>
              {JSON.stringify(timing, null, 2)}
            </pre>
          </figure>
        </div>
      </details>
    </li>
  );
}

/** Why there is nothing to show of the endpoint's answer. */
function noResponse({ outcome }: Attempt): string {
  return ANSWERED.has(outcome)
    ? 'Answered, but the hub records no response of a private address.'
    : 'The endpoint did not answer.';
}

/** The outcomes that follow from an answer. */
const ANSWERED: ReadonlySet<string> = new Set([
  'delivered',
  'refused_status',
  'gone',
  'slowed_down',
  'redirected',
  'answer',
]);
