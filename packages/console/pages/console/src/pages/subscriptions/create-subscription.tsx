import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { send } from '../../hub/hub.ts';
import { Copy, Failure, Field, Head, Notice, valueOf } from '../../parts/basics.tsx';
import { href } from '../../router.ts';
import { AttemptRow } from './attempts.tsx';
import { pathOf, type Attempt, type Subscription } from './subscriptions-api.ts';

interface Wanted {
  readonly kind: 'webhook' | 'pull';
  readonly channels: string;
  readonly types: string;
  readonly url: string;
  readonly format: string;
  readonly start: string;
  readonly description: string;
}

const NOTHING: Wanted = {
  kind: 'webhook',
  channels: '',
  types: '',
  url: '',
  format: 'event',
  start: 'now',
  description: '',
};

/**
 * A new subscription: the hub verifies the endpoint while it creates it, and a test event follows.
 */
export function CreateSubscription(): VNode {
  const [wanted, setWanted] = useState(NOTHING);
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(undefined);
  const [created, setCreated] = useState<Subscription>();
  const [attempt, setAttempt] = useState<Attempt>();
  const problem = problemOf(wanted);
  const create = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      const subscription = await send<Subscription>('POST', 'subscriptions', bodyOf(wanted));
      setCreated(subscription);
      if (subscription.state === 'active' && wanted.kind === 'webhook')
        setAttempt(await send<Attempt>('POST', pathOf(subscription.id, '/test'), {}));
    } catch (failure) {
      setError(failure);
    }
    setBusy(false);
  };
  return (
    <>
      <Head title="New subscription" lead={<a href={href('subscriptions')}>All subscriptions</a>} />
      {created === undefined ? (
        <form class="card form" onSubmit={(event) => void create(event)}>
          <Fields wanted={wanted} set={(changes) => setWanted({ ...wanted, ...changes })} />
          <div class="wide">
            <Failure error={error} />
            <button type="submit" class="primary" disabled={isBusy || problem !== undefined}>
              {isBusy ? 'Creating and verifying …' : 'Create'}
            </button>{' '}
            <span class="soft" role="status">
              {problem}
            </span>
          </div>
        </form>
      ) : (
        <Outcome created={created} attempt={attempt} error={error} />
      )}
    </>
  );
}

function Fields({ wanted, set }: { wanted: Wanted; set: (changes: Partial<Wanted>) => void }): VNode {
  return (
    <>
      <Field label="Delivery">
        <select value={wanted.kind} onChange={(event) => set({ kind: valueOf(event) === 'pull' ? 'pull' : 'webhook' })}>
          <option value="webhook">webhook: the hub sends requests</option>
          <option value="pull">pull: workers ask for events</option>
        </select>
      </Field>
      <Field label="Channels" hint="Channels and patterns, with spaces between them.">
        <input value={wanted.channels} onInput={(event) => set({ channels: valueOf(event) })} placeholder="orders.>" />
      </Field>
      {wanted.kind === 'webhook' && (
        <>
          <Field label="URL of the endpoint">
            <input
              type="url"
              value={wanted.url}
              onInput={(event) => set({ url: valueOf(event) })}
              placeholder="https://shop.example/hook"
            />
          </Field>
          <Field label="Form of the body">
            <select value={wanted.format} onChange={(event) => set({ format: valueOf(event) })}>
              <option value="event">the whole event</option>
              <option value="data">its data alone</option>
              <option value="cloudevents">CloudEvents</option>
            </select>
          </Field>
        </>
      )}
      <Field label="Types" hint="Optional, with spaces between them.">
        <input value={wanted.types} onInput={(event) => set({ types: valueOf(event) })} placeholder="order.paid" />
      </Field>
      <Field label="Begins with">
        <select value={wanted.start} onChange={(event) => set({ start: valueOf(event) })}>
          <option value="now">the next event</option>
          <option value="earliest">the oldest stored event</option>
        </select>
      </Field>
      <Field label="Description" hint="Optional. It helps the next person.">
        <input value={wanted.description} onInput={(event) => set({ description: valueOf(event) })} />
      </Field>
    </>
  );
}

/** What came of it: verified or not, the secret, and the answer to a first test event. */
function Outcome({
  created,
  attempt,
  error,
}: {
  created: Subscription;
  attempt: Attempt | undefined;
  error: unknown;
}): VNode {
  const { id, state, delivery } = created;
  return (
    <>
      <Notice>
        {state === 'active'
          ? 'Created, and active.'
          : 'Created, but the endpoint has not answered the verification. Its attempts say why.'}{' '}
        <a href={href('subscriptions', [id])}>Open the subscription</a>
      </Notice>
      {delivery.secret !== undefined && (
        <p class="card">
          The secret of the signatures, shown only now: <code>{delivery.secret}</code>{' '}
          <Copy text={delivery.secret}>Copy</Copy>
        </p>
      )}
      <Failure error={error} />
      {attempt !== undefined && (
        <section class="section">
          <h2>A test event</h2>
          <ul class="events">
            <AttemptRow attempt={attempt} isOpen />
          </ul>
        </section>
      )}
    </>
  );
}

/** What is missing before the hub can be asked; `undefined` when nothing is. */
function problemOf({ kind, channels, url }: Wanted): string | undefined {
  if (words(channels).length === 0) return 'Name a channel or a pattern.';
  if (kind === 'pull') return undefined;
  if (!URL.canParse(url)) return 'Enter the URL of the endpoint.';
  return /^https?:/.test(url) ? undefined : 'The URL must begin with https:// or http://.';
}

function bodyOf({ kind, channels, types, url, format, start, description }: Wanted): object {
  return {
    channels: words(channels),
    ...(words(types).length > 0 && { types: words(types) }),
    ...(description !== '' && { description }),
    start,
    delivery: kind === 'pull' ? { kind } : { kind, url, format },
  };
}

function words(text: string): readonly string[] {
  return text.split(/[\s,]+/).filter((word) => word !== '');
}
