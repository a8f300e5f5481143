import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { PortalApi } from '../model/portal-api.ts';
import type { Endpoint } from '../model/resources.ts';

interface EndpointSettingsProps {
  readonly api: PortalApi;
  readonly endpoint: Endpoint;
  readonly act: (action: Promise<string>) => void;
  readonly onSecret: (secret: string) => void;
  readonly onBack: () => void;
}

/** Replay, a new secret, and removal. */
export function EndpointSettings({ api, endpoint, act, onSecret, onBack }: EndpointSettingsProps): JSX.Element {
  const { id } = endpoint;
  const rotate = async (): Promise<string> => {
    const { delivery } = await api.rotateSecret(id);
    if (delivery.secret !== undefined) onSecret(delivery.secret);
    return 'The endpoint has a new secret.';
  };
  return (
    <>
      <Replay onReplay={(since) => act(api.replay(id, since).then(() => 'The events are being sent again.'))} />
      <section>
        <h2>Signing secret</h2>
        <p>For a day after the change, requests are signed with the old secret as well.</p>
        <button type="button" onClick={() => act(rotate())}>
          Create a new secret
        </button>
      </section>
      <Removal url={endpoint.delivery.url} onRemove={() => act(api.remove(id).then(() => (onBack(), 'Removed.')))} />
    </>
  );
}

const HOURS = [1, 6, 24, 72] as const;

function Replay({ onReplay }: { readonly onReplay: (since: string) => void }): JSX.Element {
  const [hours, setHours] = useState<number>(1);
  return (
    <section>
      <h2>Send past events again</h2>
      <label>
        <span>From the last</span>
        <select value={hours} onChange={({ currentTarget }) => setHours(Number(currentTarget.value))}>
          {HOURS.map((count) => (
            <option key={count} value={count}>
              {count === 1 ? 'hour' : `${count} hours`}
            </option>
          ))}
        </select>
      </label>
      <button type="button" onClick={() => onReplay(new Date(Date.now() - hours * 3_600_000).toISOString())}>
        Send again
      </button>
    </section>
  );
}

/** Removal asks for the host of the endpoint. */
function Removal({ url, onRemove }: { readonly url: string; readonly onRemove: () => void }): JSX.Element {
  const [typed, setTyped] = useState('');
  const { host } = new URL(url);
  return (
    <section>
      <h2>Remove the endpoint</h2>
      <label>
        <span>
          Type <code>{host}</code> to confirm
        </span>
        <input
          type="text"
          value={typed}
          autoComplete="off"
          onInput={({ currentTarget }) => setTyped(currentTarget.value)}
        />
      </label>
      <button type="button" class="danger" disabled={typed !== host} onClick={onRemove}>
        Remove
      </button>
    </section>
  );
}
