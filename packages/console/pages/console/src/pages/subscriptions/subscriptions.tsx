import type { VNode } from 'preact';
import { useEffect } from 'preact/hooks';
import { hub } from '../../hub/hub.ts';
import { Field, Head, ListEnd, Table, valueOf } from '../../parts/basics.tsx';
import { FilterInput } from '../../parts/filter-input.tsx';
import { durationText, numberText } from '../../parts/format.ts';
import { usePages } from '../../parts/use-pages.ts';
import { href, setParams, useRoute } from '../../router.ts';
import { CreateSubscription } from './create-subscription.tsx';
import { SubscriptionView } from './subscription.tsx';
import { levelOf, listSubscriptions, STATES, targetOf } from './subscriptions-api.ts';

/** The list of subscriptions, one of them, or the form for a new one. */
export function Subscriptions(): VNode {
  const { args } = useRoute();
  if (args[0] === undefined) return <SubscriptionList />;
  return args[0] === 'new' ? <CreateSubscription /> : <SubscriptionView id={args[0]} />;
}

/** The hub tells changes of states on these channels. */
export const LIFECYCLE_CHANNELS = 'polycast.subscriptions.>';
const RELOAD_MS = 500;

function SubscriptionList(): VNode {
  const { params } = useRoute();
  const state = params.get('state') ?? '';
  const channel = params.get('channel') ?? '';
  const pages = usePages((after, signal) => listSubscriptions({ state, channel }, after, signal), [state, channel]);
  useEffect(() => {
    // When a host fails, all its subscriptions change at once: the list is read once for them.
    let timer: ReturnType<typeof setTimeout> | undefined;
    const reload = (): void => {
      timer = undefined;
      pages.reload();
    };
    const subscription = hub().subscribe(LIFECYCLE_CHANNELS, () => {
      timer ??= setTimeout(reload, RELOAD_MS);
    });
    return () => {
      subscription.close();
      clearTimeout(timer);
    };
  }, []);
  return (
    <>
      <Head title="Subscriptions" lead="Webhooks and pull queues: each is a cursor that the hub keeps.">
        <a class="button" href={href('subscriptions', ['new'])}>
          New subscription
        </a>
      </Head>
      <div class="filters">
        <Field label="State">
          <select value={state} onChange={(event) => setParams({ state: valueOf(event) })}>
            <option value="">all</option>
            {STATES.map((each) => (
              <option key={each}>{each}</option>
            ))}
          </select>
        </Field>
        <Field label="Matching the channel">
          <FilterInput value={channel} placeholder="orders.42" onEnter={(entered) => setParams({ channel: entered })} />
        </Field>
      </div>
      {pages.items.length > 0 && (
        <Table label="Subscriptions" head={['To', 'State', 'Channels', 'Behind', 'Waiting', 'Dead letters']}>
          {pages.items.map((subscription) => (
            <tr key={subscription.id}>
              <td class="target">
                <a href={href('subscriptions', [subscription.id])}>{targetOf(subscription)}</a>
                <div class="soft">{subscription.description}</div>
              </td>
              <td>
                <span class={`tag ${levelOf(subscription.state)}`}>{subscription.state}</span>
              </td>
              <td class="mono">{subscription.channels.join(' ')}</td>
              <td class="nowrap">
                {subscription.backlog.lagEvents === 0 ? '–' : durationText(subscription.backlog.lagMs / 1000)}
              </td>
              <td class="number">{numberText(subscription.backlog.lagEvents)}</td>
              <td class="number">{numberText(subscription.backlog.deadLetters)}</td>
            </tr>
          ))}
        </Table>
      )}
      <ListEnd pages={pages} empty="No subscription here. Webhooks and queues begin with “New subscription”." />
    </>
  );
}
