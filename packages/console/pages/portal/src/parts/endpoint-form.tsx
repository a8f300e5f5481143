import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { EndpointOptions } from '../model/portal-api.ts';
import type { Endpoint, EventType } from '../model/resources.ts';
import { Heading, Notice } from './notice.tsx';

interface EndpointFormProps {
  /** The endpoint to change; a new one without it. */
  readonly endpoint?: Endpoint;
  readonly types: readonly EventType[];
  readonly channels: readonly string[];
  readonly save: (options: EndpointOptions) => Promise<Endpoint>;
  readonly onSaved: (endpoint: Endpoint) => void;
  readonly onCancel: () => void;
}

/**
 * Creates or changes an endpoint. The hub sends a request to a new URL and waits for its answer, so
 * the form says immediately what is wrong with it.
 */
export function EndpointForm({ endpoint, types, channels, save, onSaved, onCancel }: EndpointFormProps): JSX.Element {
  const [url, setUrl] = useState(endpoint?.delivery.url ?? 'https://');
  const [description, setDescription] = useState(endpoint?.description ?? '');
  const [chosen, setChosen] = useState<readonly string[] | null>(endpoint?.types ?? null);
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();
  const submit = (event: Event): void => {
    event.preventDefault();
    setBusy(true);
    setProblem(undefined);
    save({ url, description, channels: endpoint?.channels ?? channels, types: chosen })
      .then(onSaved, (error: Error) => setProblem(error.message))
      .finally(() => setBusy(false));
  };
  return (
    <form onSubmit={submit}>
      {endpoint === undefined && <Heading>Add endpoint</Heading>}
      <label>
        <span>URL of your endpoint</span>
        <input
          type="url"
          required
          pattern="https?://.+"
          maxLength={2048}
          value={url}
          onInput={({ currentTarget }) => setUrl(currentTarget.value)}
        />
      </label>
      <label>
        <span>Description (optional)</span>
        <input
          type="text"
          maxLength={500}
          value={description}
          onInput={({ currentTarget }) => setDescription(currentTarget.value)}
        />
      </label>
      <TypeChoice types={types} chosen={chosen} onChoose={setChosen} />
      {isBusy && (
        <Notice tone="neutral">Your endpoint is being verified: it gets a request, and has to answer it.</Notice>
      )}
      {problem !== undefined && <Notice tone="bad">{problem}</Notice>}
      <div class="actions">
        <button type="submit" class="primary" disabled={isBusy || chosen?.length === 0}>
          {endpoint === undefined ? 'Add endpoint' : 'Save changes'}
        </button>
        <button type="button" onClick={onCancel}>
          Cancel
        </button>
      </div>
    </form>
  );
}

interface TypeChoiceProps {
  readonly types: readonly EventType[];
  /** `null`: all. */
  readonly chosen: readonly string[] | null;
  readonly onChoose: (types: readonly string[] | null) => void;
}

function TypeChoice({ types, chosen, onChoose }: TypeChoiceProps): JSX.Element {
  const toggle = (name: string, isOn: boolean): void => {
    const others = (chosen ?? []).filter((each) => each !== name);
    onChoose(isOn ? [...others, name] : others);
  };
  return (
    <fieldset>
      <legend>Events</legend>
      <label class="choice">
        <input type="radio" name="events" checked={chosen === null} onChange={() => onChoose(null)} />
        <span>All events</span>
      </label>
      <label class="choice">
        <input
          type="radio"
          name="events"
          checked={chosen !== null}
          disabled={types.length === 0}
          onChange={() => onChoose([])}
        />
        <span>Only these types</span>
      </label>
      {chosen !== null && (
        <ul class="types">
          {types.map(({ name, description }) => (
            <li key={name}>
              <label class="choice">
                <input
                  type="checkbox"
                  checked={chosen.includes(name)}
                  onChange={({ currentTarget }) => toggle(name, currentTarget.checked)}
                />
                <span>
                  <code>{name}</code> <span class="soft">{description}</span>
                </span>
              </label>
            </li>
          ))}
        </ul>
      )}
    </fieldset>
  );
}
