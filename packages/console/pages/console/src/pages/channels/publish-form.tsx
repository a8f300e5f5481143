import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { request } from '../../hub/hub.ts';
import { Failure, Field, Notice, valueOf } from '../../parts/basics.tsx';

/** Publishes an event to the channel: JSON, or any text. */
export function PublishForm({ channel, onPublished }: { channel: string; onPublished: () => void }): VNode {
  const [type, setType] = useState('');
  const [text, setText] = useState('{"state": "baked"}');
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(undefined);
  const [id, setId] = useState<string>();
  const isJson = isJsonText(text);
  const publish = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setId(undefined);
    setError(undefined);
    try {
      const response = await request(`channels/${channel}/events`, {
        method: 'POST',
        headers: {
          'Content-Type': isJson ? 'application/json' : 'text/plain;charset=utf-8',
          ...(type !== '' && { 'Polycast-Type': type }),
        },
        body: text,
      });
      setId(((await response.json()) as { readonly id: string }).id);
      onPublished();
    } catch (failure) {
      setError(failure);
    }
    setBusy(false);
  };
  return (
    <form class="card form" onSubmit={(event) => void publish(event)}>
      <Field label="Type" hint="Optional. Readers can choose events by their type.">
        <input value={type} onInput={(event) => setType(valueOf(event))} placeholder="order.paid" />
      </Field>
      <div class="wide">
        <Field
          label="Data"
          hint={isJson ? 'It is JSON, and is published as it is.' : 'It is not JSON, and is published as text.'}
        >
          <textarea rows={5} value={text} onInput={(event) => setText(valueOf(event))} spellcheck={false} />
        </Field>
      </div>
      <div class="wide">
        <Failure error={error} />
        {id !== undefined && <Notice>Published as {id}.</Notice>}
        <button type="submit" class="primary" disabled={isBusy || text === ''}>
          {isBusy ? 'Publishing …' : `Publish to ${channel}`}
        </button>
      </div>
    </form>
  );
}

function isJsonText(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
