import { TRANSPORTS } from '@polycast/protocol';
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { Field, Head, ListEnd, valueOf } from '../../parts/basics.tsx';
import { FilterInput } from '../../parts/filter-input.tsx';
import { countText } from '../../parts/format.ts';
import { usePages } from '../../parts/use-pages.ts';
import { href, setParams, useRoute } from '../../router.ts';
import { FILTER_NAMES, listSessions } from './sessions-api.ts';
import { SessionTable } from './session-table.tsx';

/** All live sessions, or those of the journal that have ended. */
export function SessionList(): VNode {
  const { params } = useRoute();
  const filter = Object.fromEntries(FILTER_NAMES.map((name) => [name, params.get(name) ?? '']));
  const [silentHubs, setSilentHubs] = useState(0);
  const pages = usePages(async (after, signal) => {
    const page = await listSessions(filter, after, signal);
    setSilentHubs(page.silentHubs);
    return page;
  }, Object.values(filter));
  const isEnded = filter['state'] === 'ended';
  return (
    <>
      <Head title="Sessions" lead="Who is connected, where, and how far behind the newest event.">
        <button type="button" onClick={pages.reload}>
          Refresh
        </button>
      </Head>
      <div class="filters">
        <div class="segments" role="group" aria-label="Which sessions">
          <button type="button" aria-pressed={!isEnded} onClick={() => setParams({ state: '' })}>
            Live
          </button>
          <button type="button" aria-pressed={isEnded} onClick={() => setParams({ state: 'ended', behind: '' })}>
            Ended
          </button>
        </div>
        <Field label="User">
          <FilterInput value={filter['user']} onEnter={(user) => setParams({ user })} placeholder="ann" />
        </Field>
        <Field label="Reading the channel">
          <FilterInput
            value={filter['channel']}
            onEnter={(channel) => setParams({ channel })}
            placeholder="orders.42"
          />
        </Field>
        <Field label="Address">
          <FilterInput
            value={filter['address']}
            onEnter={(address) => setParams({ address })}
            placeholder="203.0.113.7"
          />
        </Field>
        <Field label="Transport">
          <select value={filter['transport']} onChange={(event) => setParams({ transport: valueOf(event) })}>
            <option value="">all</option>
            {TRANSPORTS.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </Field>
        {!isEnded && (
          <Field label="Behind by at least">
            <FilterInput
              isNumber
              value={filter['behind']}
              onEnter={(behind) => setParams({ behind })}
              placeholder="0"
            />
          </Field>
        )}
      </div>
      {silentHubs > 0 && (
        <p class="failure" role="alert">
          {countText(silentHubs, 'hub')} of the cluster did not answer, so the sessions there are missing.{' '}
          <a href={href('cluster')}>Look at the cluster</a>
        </p>
      )}
      {pages.items.length > 0 && <SessionTable sessions={pages.items} onEnded={pages.reload} />}
      <ListEnd pages={pages} empty={isEnded ? 'No ended session matches.' : 'No live session matches.'} />
    </>
  );
}
