import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { read, send } from '../../hub/hub.ts';
import type { HubInCluster } from '../../hub/session.ts';
import { AnsweredBy } from '../../parts/answered-by.tsx';
import { Failure, Field, Head, Notice, valueOf } from '../../parts/basics.tsx';
import { Confirm } from '../../parts/dialog.tsx';
import { countText, jsonLine } from '../../parts/format.ts';
import { useLoad } from '../../parts/use-load.ts';
import { setParams, useRoute } from '../../router.ts';
import { isChanged, originWords, type ShownField } from './configuration.ts';

interface ReloadAnswer {
  readonly applied: readonly string[];
  readonly restart: readonly string[];
  readonly sessions: number;
  readonly cluster?: HubInCluster;
}

/** The configuration in force: each value, where it was set, and the reason for its default. */
export function Settings(): VNode {
  const { params } = useRoute();
  const search = params.get('search') ?? '';
  const changedOnly = params.get('changed') === 'yes';
  const { value, error, reload } = useLoad(
    (signal) => read<{ fields: readonly ShownField[]; cluster?: HubInCluster }>('configuration', signal),
    [],
  );
  const fields = (value?.fields ?? []).filter(
    (field) => (!changedOnly || isChanged(field)) && textOf(field).includes(search.toLowerCase()),
  );
  const sections = Object.entries(
    Object.groupBy(fields, ({ path }) => (path.includes('.') ? (path.split('.')[0] ?? '') : 'hub')),
  );
  return (
    <>
      <Head
        title="Settings"
        lead="The configuration in force. It is changed where it was set: in a file, a variable or a flag."
      >
        <Reload isClustered={value?.cluster !== undefined} onReloaded={reload} />
      </Head>
      <Failure error={error} />
      <AnsweredBy hub={value?.cluster} says="This is the configuration of" />
      <div class="filters">
        <Field label="Search">
          <input
            type="search"
            value={search}
            onInput={(event) => setParams({ search: valueOf(event) })}
            placeholder="heartbeat"
          />
        </Field>
        <div class="segments" role="group" aria-label="Which">
          <button type="button" aria-pressed={!changedOnly} onClick={() => setParams({ changed: '' })}>
            All
          </button>
          <button type="button" aria-pressed={changedOnly} onClick={() => setParams({ changed: 'yes' })}>
            Not the default
          </button>
        </div>
        <p class="soft" role="status">
          {countText(fields.length, 'setting')}
        </p>
      </div>
      {sections.map(([section, members = []]) => (
        <section key={section} class="section">
          <h2>{section}</h2>
          <ul class="events">
            {members.map((field) => (
              <Setting key={field.path} field={field} />
            ))}
          </ul>
        </section>
      ))}
    </>
  );
}

function Setting({ field }: { field: ShownField }): VNode {
  const { path, value, default: byDefault, environment, form, doc, why, live } = field;
  return (
    <li class="event">
      <details>
        <summary class="setting">
          <span class="event-channel mono">{path}</span>
          <span class="event-data">{jsonLine(value, 120)}</span>
          <span class={isChanged(field) ? 'tag watch' : 'soft nowrap'}>{originWords(field)}</span>
        </summary>
        <div class="event-whole">
          <p>{doc.replaceAll('`', '')}</p>
          <p>
            <b>Why this default:</b> {why.replaceAll('`', '')}
          </p>
          <p class="soft">
            {form.replaceAll('`', '')}. Default: <code>{JSON.stringify(byDefault)}</code>. Variable:{' '}
            <code>{environment}</code>. {live ? 'A reload applies a change.' : 'A change needs a restart.'}
          </p>
          {typeof value === 'object' && value !== null && (
            <pre class="json" tabIndex={0}>
              {JSON.stringify(value, null, 2)}
            </pre>
          )}
        </div>
      </details>
    </li>
  );
}

function textOf({ path, doc }: ShownField): string {
  return `${path} ${doc}`.toLowerCase();
}

function Reload({ isClustered, onReloaded }: { isClustered: boolean; onReloaded: () => void }): VNode {
  const [isAsked, setAsked] = useState(false);
  const [answer, setAnswer] = useState<ReloadAnswer>();
  const act = async (): Promise<void> => {
    setAnswer(await send<ReloadAnswer>('POST', 'reload', {}));
    onReloaded();
  };
  return (
    <>
      {answer !== undefined && <Notice>{sentenceOf(answer)}</Notice>}
      <button type="button" onClick={() => setAsked(true)}>
        Reload the configuration …
      </button>
      {isAsked && (
        <Confirm title="Reload the configuration" name="reload" verb="Reload" act={act} onClose={() => setAsked(false)}>
          The hub reads its files again. It drops no connection, except those that new rules no longer allow.
          {isClustered && ' Only the hub that gets this request does it: reload the others on their machines.'}
        </Confirm>
      )}
    </>
  );
}

function sentenceOf({ applied, restart, sessions, cluster }: ReloadAnswer): string {
  const parts = cluster === undefined ? [] : [`The hub ${cluster.hub} on ${cluster.host} has read its files.`];
  parts.push(applied.length === 0 ? 'Nothing has changed.' : `Applied: ${applied.join(', ')}.`);
  if (restart.length > 0) parts.push(`A restart is needed for ${restart.join(', ')}.`);
  if (sessions > 0) parts.push(`${countText(sessions, 'session')} lost a channel.`);
  return parts.join(' ');
}
