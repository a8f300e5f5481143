import { isChannel, matches } from '@polycast/protocol';
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { read } from '../../hub/hub.ts';
import { Facts, Failure, Head, Table } from '../../parts/basics.tsx';
import { useErasure } from '../../parts/erasure.tsx';
import { bytesText, jsonLine, numberText } from '../../parts/format.ts';
import { useLoad } from '../../parts/use-load.ts';
import { href } from '../../router.ts';
import type { ShownField } from '../settings/configuration.ts';
import { readChannel, readHistory } from './channels-api.ts';
import { CopyCode } from './copy-code.tsx';
import { History } from './history.tsx';
import { Presence } from './presence.tsx';
import { PublishForm } from './publish-form.tsx';

/** The newest events from which the rate is estimated. */
const RATE_EVENTS = 100;

/** One channel: its rule, its history, who is present, and a form to publish. */
export function Channel({ name }: { name: string }): VNode {
  // Somebody else may have made the address: paths and commands with another name
  // could do anything.
  if (isChannel(name)) return <ExistingChannel name={name} />;
  return (
    <>
      <Head title={name} lead={<a href={href('channels')}>All channels</a>} />
      <Failure error="This is not the name of a channel: tokens of A-Z a-z 0-9 _ - with dots between them, at most 200 characters." />
    </>
  );
}

function ExistingChannel({ name }: { name: string }): VNode {
  const [version, setVersion] = useState(0);
  const onChanged = (): void => setVersion((present) => present + 1);
  const erasure = useErasure(onChanged);
  const { value, error } = useLoad(
    async (signal) => ({
      state: await readChannel(name, signal),
      rate: rateOf((await readHistory(name, { limit: String(RATE_EVENTS) }, signal)).events),
    }),
    [name, version],
  );
  return (
    <>
      <Head
        title={name}
        lead={
          <>
            <a href={href('channels')}>All channels</a> ·{' '}
            <a href={href('follow', [], { channels: name })}>Follow it live</a>
          </>
        }
      >
        <button type="button" onClick={() => erasure.ask({ kind: 'channel', name })}>
          Erase the channel …
        </button>
      </Head>
      {erasure.view}
      <Failure error={error} />
      {value !== undefined && (
        <Facts
          facts={[
            ['Stored events', numberText(value.state?.events ?? 0)],
            ['Size', bytesText(value.state?.bytes ?? 0)],
            ['Rate', value.rate],
            ['Newest event', value.state?.latest ?? '–'],
          ]}
        />
      )}
      <section class="section">
        <h2>History</h2>
        <History channel={name} version={version} onErased={onChanged} />
      </section>
      <section class="section">
        <h2>Publish</h2>
        <PublishForm channel={name} onPublished={onChanged} />
      </section>
      <section class="section">
        <h2>Rules</h2>
        <Rules channel={name} />
      </section>
      <section class="section">
        <h2>Who is present</h2>
        <Presence channel={name} />
      </section>
      <section class="section">
        <h2>As code</h2>
        <CopyCode channel={name} />
      </section>
    </>
  );
}

/** The rate of the newest events, in words. */
export function rateOf(events: readonly { readonly time: string }[]): string {
  const [first] = events;
  const last = events.at(-1);
  if (first === undefined || last === undefined || events.length < 2) return '–';
  const seconds = Math.max(0.001, (Date.parse(last.time) - Date.parse(first.time)) / 1000);
  const perSecond = (events.length - 1) / seconds;
  if (perSecond >= 1) return `${numberText(perSecond)} per second`;
  return perSecond * 60 >= 1 ? `${numberText(perSecond * 60)} per minute` : `${numberText(perSecond * 3600)} per hour`;
}

/** The rules that cover the channel: for each setting, the first of them that has it decides. */
function Rules({ channel }: { channel: string }): VNode {
  const { value, error } = useLoad((signal) => read<{ fields: readonly ShownField[] }>('configuration', signal), []);
  const fields = value?.fields ?? [];
  const rules = (fields.find(({ path }) => path === 'rules')?.value ?? []) as readonly Readonly<
    Record<string, unknown>
  >[];
  const covering = rules
    .map((rule, index) => ({ index, rule }))
    .filter(({ rule }) => matches(String(rule['pattern']).replaceAll('{user}', '*'), channel));
  const taken = new Set<string>();
  const rows = covering.flatMap(({ index, rule }) =>
    Object.entries(rule)
      .filter(([name]) => name !== 'pattern' && !taken.has(name) && taken.add(name))
      .map(([name, setting]) => ({ name, setting, by: `rule ${index + 1} (${String(rule['pattern'])})` })),
  );
  const defaults = fields
    .filter(({ path, value: setting }) => path.startsWith('defaults.') && setting !== null)
    .map(({ path, value: setting }) => ({ name: path.slice('defaults.'.length), setting, by: 'defaults' }))
    .filter(({ name }) => !taken.has(name));
  return (
    <>
      <Failure error={error} />
      {value !== undefined && (
        <Table label="Rules of the channel" head={['Setting', 'Value', 'Decided by']}>
          {[...rows, ...defaults].map(({ name, setting, by }) => (
            <tr key={name}>
              <td class="mono">{name}</td>
              <td class="mono">{jsonLine(setting, 120)}</td>
              <td>{by}</td>
            </tr>
          ))}
        </Table>
      )}
    </>
  );
}
