import type { JSX } from 'preact';
import { STATES, type Endpoint } from '../model/resources.ts';
import { Heading } from './notice.tsx';

interface EndpointListProps {
  readonly endpoints: readonly Endpoint[];
  readonly onSelect: (id: string) => void;
  readonly onNew: () => void;
}

/** All endpoints of the owner. */
export function EndpointList({ endpoints, onSelect, onNew }: EndpointListProps): JSX.Element {
  return (
    <>
      <header class="bar">
        <Heading>Webhooks</Heading>
        <button type="button" class="primary" onClick={onNew}>
          Add endpoint
        </button>
      </header>
      {endpoints.length === 0 ? (
        <p class="empty">
          There is no endpoint yet. Add the URL of your server, and it receives events as they happen.
        </p>
      ) : (
        <ul class="cards">
          {endpoints.map((endpoint) => (
            <li key={endpoint.id}>
              <button type="button" class="card" onClick={() => onSelect(endpoint.id)}>
                <span class="url">{endpoint.delivery.url}</span>
                <StateBadge state={endpoint.state} />
                <span class="soft">{endpoint.description || summaryOf(endpoint)}</span>
                {endpoint.backlog.deadLetters > 0 && (
                  <span class="badge bad">{endpoint.backlog.deadLetters} not delivered</span>
                )}
              </button>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

export function StateBadge({ state }: { readonly state: Endpoint['state'] }): JSX.Element {
  const { text, tone } = STATES[state];
  return <span class={`badge ${tone}`}>{text}</span>;
}

function summaryOf({ types }: Endpoint): string {
  return types === null ? 'All events' : types.join(', ');
}
