import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { PortalApi } from '../model/portal-api.ts';
import { outcomeText, type Endpoint, type EventType, type Tone } from '../model/resources.ts';
import { AttemptList } from './attempt-list.tsx';
import { DeadLetterList } from './dead-letter-list.tsx';
import { EndpointForm } from './endpoint-form.tsx';
import { EndpointSettings } from './endpoint-settings.tsx';
import { StateBadge } from './endpoint-list.tsx';
import { Heading, Notice } from './notice.tsx';

interface EndpointViewProps {
  readonly api: PortalApi;
  readonly endpoint: Endpoint;
  readonly types: readonly EventType[];
  readonly channels: readonly string[];
  /** A change of it reads the lists again. */
  readonly round: number;
  /** The endpoint has changed, or is gone. */
  readonly onChanged: () => void;
  readonly onSecret: (secret: string) => void;
  readonly onBack: () => void;
}

const TABS = ['Attempts', 'Not delivered', 'Change', 'Settings'] as const;

/** One endpoint: its attempts, what was not delivered, and its settings. */
export function EndpointView(props: EndpointViewProps): JSX.Element {
  const { api, endpoint, types, channels, round, onChanged, onBack } = props;
  const [tab, setTab] = useState<(typeof TABS)[number]>('Attempts');
  const [notice, setNotice] = useState<{ readonly tone: Tone; readonly text: string }>();
  /** Runs an action, and says what came of it. */
  const act = (action: Promise<string>): void =>
    void action.then(
      (text) => {
        setNotice({ tone: 'good', text });
        onChanged();
      },
      (error: Error) => {
        setNotice({ tone: 'bad', text: error.message });
        onChanged();
      },
    );
  const { id } = endpoint;
  return (
    <article>
      <button type="button" class="link" onClick={onBack}>
        ← All endpoints
      </button>
      <header class="bar">
        <Heading>{endpoint.delivery.url}</Heading>
        <StateBadge state={endpoint.state} />
      </header>
      {notice !== undefined && <Notice tone={notice.tone}>{notice.text}</Notice>}
      <div class="actions">
        <button type="button" onClick={() => act(sendTest(api, id))}>
          Send a test
        </button>
        <PauseButton endpoint={endpoint} onPause={(isPaused) => act(setPaused(api, id, isPaused))} />
      </div>
      <nav aria-label="Parts of the endpoint">
        {TABS.map((name) => (
          <button
            key={name}
            type="button"
            aria-current={tab === name ? 'page' : undefined}
            onClick={() => setTab(name)}
          >
            {name}
            {name === 'Not delivered' && endpoint.backlog.deadLetters > 0 && ` (${endpoint.backlog.deadLetters})`}
          </button>
        ))}
      </nav>
      {tab === 'Attempts' && <AttemptList api={api} endpoint={id} round={round} />}
      {tab === 'Not delivered' && <DeadLetterList api={api} endpoint={id} round={round} act={act} />}
      {tab === 'Change' && (
        <EndpointForm
          endpoint={endpoint}
          types={types}
          channels={channels}
          save={(options) => api.change(id, options)}
          onSaved={() => {
            setNotice({ tone: 'good', text: 'Saved.' });
            setTab('Attempts');
            onChanged();
          }}
          onCancel={() => setTab('Attempts')}
        />
      )}
      {tab === 'Settings' && <EndpointSettings {...props} act={act} />}
    </article>
  );
}

function PauseButton({
  endpoint: { state },
  onPause,
}: {
  readonly endpoint: Endpoint;
  readonly onPause: (isPaused: boolean) => void;
}): JSX.Element {
  const isRunning = state === 'active' || state === 'suspended';
  const verb = isRunning ? 'Pause' : state === 'pending' ? 'Verify again' : 'Resume';
  return (
    <button key={verb} type="button" onClick={() => onPause(isRunning)}>
      {verb}
    </button>
  );
}

async function sendTest(api: PortalApi, id: string): Promise<string> {
  const { outcome, response, detail } = await api.test(id);
  if (outcome === 'delivered') return `The test was delivered: your endpoint answered ${response?.status ?? ''}.`;
  throw new Error(`The test was not delivered. ${outcomeText(outcome)}. ${detail}`);
}

async function setPaused(api: PortalApi, id: string, isPaused: boolean): Promise<string> {
  const { state } = await api.setPaused(id, isPaused);
  if (state === 'pending') throw new Error('The endpoint did not pass its verification.');
  return isPaused ? 'Paused. Events wait.' : 'Active. Events that waited are sent now.';
}
