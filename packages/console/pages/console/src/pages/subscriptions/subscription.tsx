import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { hub, read, send } from '../../hub/hub.ts';
import { Copy, Facts, Failure, Head, Notice, Time } from '../../parts/basics.tsx';
import { Confirm } from '../../parts/dialog.tsx';
import { countText, durationText, numberText } from '../../parts/format.ts';
import { useLoad } from '../../parts/use-load.ts';
import { href } from '../../router.ts';
import { AttemptRow, Attempts } from './attempts.tsx';
import { DeadLetters } from './dead-letters.tsx';
import { ReplayForm } from './replay.tsx';
import { levelOf, pathOf, targetOf, type Attempt, type Subscription } from './subscriptions-api.ts';

const REFRESH_MS = 3000;

/** One subscription: its state, its attempts, its dead letters, and what can be done about them. */
export function SubscriptionView({ id }: { id: string }): VNode {
  const { value, error, reload } = useLoad((signal) => read<Subscription>(pathOf(id), signal), [id], REFRESH_MS);
  // The address may have the name instead, or something that is no subscription.
  const known = value?.id;
  useEffect(() => {
    if (known === undefined) return undefined;
    const subscription = hub().subscribe(`polycast.subscriptions.${known}`, reload);
    return () => subscription.close();
  }, [known]);
  if (value === undefined)
    return (
      <>
        <Head title={id} />
        <Failure error={error} />
      </>
    );
  return (
    <>
      <Head title={targetOf(value)} lead={<a href={href('subscriptions')}>All subscriptions</a>} />
      <Failure error={error} />
      <Actions subscription={value} reload={reload} />
      <StateFacts subscription={value} />
      {value.delivery.kind === 'webhook' && (
        <section class="section">
          <h2>Attempts</h2>
          <Attempts id={id} version={versionOf(value)} />
        </section>
      )}
      <section class="section">
        <h2>Replay</h2>
        <ReplayForm subscription={value} />
      </section>
      <section class="section">
        <h2>Dead letters</h2>
        <DeadLetters subscription={value} reload={reload} />
      </section>
      <section class="section">
        <h2>Definition</h2>
        <pre class="json" tabIndex={0}>
          {JSON.stringify(value, null, 2)}
        </pre>
      </section>
    </>
  );
}

/** It changes with each attempt: an event is done, or waits for another attempt. */
function versionOf({ cursor, state, backlog: { lagEvents, nextAttempt } }: Subscription): string {
  return `${cursor} ${state} ${lagEvents} ${nextAttempt}`;
}

function StateFacts({ subscription }: { subscription: Subscription }): VNode {
  const { id, name, state, reason, since, channels, types, backlog, created } = subscription;
  return (
    <Facts
      facts={[
        ['State', <span class={`tag ${levelOf(state)}`}>{state}</span>],
        ['Because', `${reason.replaceAll('_', ' ')}`],
        ['Since', <Time at={since} />],
        ['Behind', backlog.lagEvents === 0 ? 'nothing' : countText(backlog.lagEvents, 'event')],
        ['Oldest waiting', backlog.lagEvents === 0 ? '–' : durationText(backlog.lagMs / 1000)],
        ['In flight', numberText(backlog.inFlight)],
        ['Failing', numberText(backlog.failing)],
        ['Dead letters', numberText(backlog.deadLetters)],
        ['Channels', channels.join(' ')],
        ['Types', types?.join(' ') ?? 'all'],
        ['Created', <Time at={created} />],
        ['Name', name ?? '–'],
        ['Id', id],
      ]}
    />
  );
}

type Asked = 'delete' | 'rotate' | undefined;

function Actions({ subscription, reload }: { subscription: Subscription; reload: () => void }): VNode {
  const { id, state } = subscription;
  const [asked, setAsked] = useState<Asked>();
  const [error, setError] = useState<unknown>(undefined);
  const [attempt, setAttempt] = useState<Attempt>();
  const [secret, setSecret] = useState<string>();
  const run = async (act: () => Promise<void>): Promise<void> => {
    setError(undefined);
    await act().then(reload, setError);
  };
  const post = (below: string) => () => run(() => send('POST', pathOf(id, below), {}));
  // Deliveries that wait for their next attempt begin anew when a subscription resumes.
  const retry = (): Promise<void> =>
    run(async () => {
      if (state === 'active') await send('POST', pathOf(id, '/pause'), {});
      await send('POST', pathOf(id, '/resume'), {});
    });
  const test = (): Promise<void> => run(async () => setAttempt(await send<Attempt>('POST', pathOf(id, '/test'), {})));
  const rotate = async (): Promise<void> => {
    const { delivery: rotated } = await send<Subscription>('POST', pathOf(id, '/rotate-secret'), {});
    setSecret(rotated.secret);
    reload();
  };
  const remove = async (): Promise<void> => {
    await send('DELETE', pathOf(id));
    location.hash = href('subscriptions');
  };
  return (
    <>
      <ActionButtons subscription={subscription} pause={post('/pause')} retry={retry} test={test} ask={setAsked} />
      <Failure error={error} />
      {attempt !== undefined && (
        <ul class="events" aria-label="Test">
          <AttemptRow attempt={attempt} isOpen />
        </ul>
      )}
      {secret !== undefined && (
        <Notice>
          The new secret, shown only now: <code>{secret}</code> <Copy text={secret}>Copy</Copy>
        </Notice>
      )}
      {asked === 'rotate' && (
        <Confirm title="Rotate the secret" name={id} verb="Rotate" act={rotate} onClose={() => setAsked(undefined)}>
          Requests are signed with both secrets for a day. Then the old one is no longer used.
        </Confirm>
      )}
      {asked === 'delete' && (
        <Confirm
          title="Delete the subscription"
          name={id}
          verb="Delete"
          act={remove}
          onClose={() => setAsked(undefined)}
        >
          Its cursor, its attempts and its dead letters are gone permanently. The events stay in the log.
        </Confirm>
      )}
    </>
  );
}

interface ActionButtonsProps {
  readonly subscription: Subscription;
  readonly pause: () => Promise<void>;
  readonly retry: () => Promise<void>;
  readonly test: () => Promise<void>;
  readonly ask: (asked: Asked) => void;
}

function ActionButtons({ subscription, pause, retry, test, ask }: ActionButtonsProps): VNode {
  const { state, delivery } = subscription;
  const isWebhook = delivery.kind === 'webhook';
  return (
    <div class="row-buttons actions">
      {state === 'active' && (
        <button type="button" onClick={() => void pause()}>
          Pause
        </button>
      )}
      {state !== 'ended' && (
        <button type="button" onClick={() => void retry()}>
          {state === 'pending' ? 'Verify again' : state === 'active' ? 'Retry now' : 'Resume and retry now'}
        </button>
      )}
      {isWebhook && (
        <button type="button" onClick={() => void test()}>
          Send a test event
        </button>
      )}
      {isWebhook && (
        <button type="button" onClick={() => ask('rotate')}>
          Rotate the secret …
        </button>
      )}
      <button type="button" onClick={() => ask('delete')}>
        Delete …
      </button>
    </div>
  );
}
