import type { VNode } from 'preact';
import { read } from '../../hub/hub.ts';
import { Failure, Table } from '../../parts/basics.tsx';
import { jsonLine } from '../../parts/format.ts';
import { useLoad } from '../../parts/use-load.ts';
import { href } from '../../router.ts';
import type { ShownField } from '../settings/configuration.ts';

/** The rules in their order. The first rule that covers a channel and has a setting decides it. */
export function RuleList(): VNode {
  const { value, error } = useLoad((signal) => read<{ fields: readonly ShownField[] }>('configuration', signal), []);
  const field = value?.fields.find(({ path }) => path === 'rules');
  const rules = (field?.value ?? []) as readonly Readonly<Record<string, unknown>>[];
  const defaults = (value?.fields ?? []).filter(({ path, value: set }) => path.startsWith('defaults.') && set !== null);
  return (
    <>
      <p class="soft">
        For each setting of a channel, the first rule that covers the channel and has the setting decides. Rules come
        from {field?.origin ?? 'the defaults'}; change them there, then <a href={href('settings')}>reload</a>.
      </p>
      <Failure error={error} />
      <Table label="Rules" head={['', 'Pattern', 'Settings']}>
        {rules.map(({ pattern, ...settings }, index) => (
          <tr key={index}>
            <td class="number">{index + 1}</td>
            <td class="mono">{String(pattern)}</td>
            <td>
              <Settings settings={Object.entries(settings)} />
            </td>
          </tr>
        ))}
        <tr>
          <td />
          <td>defaults</td>
          <td>
            <Settings settings={defaults.map(({ path, value: set }) => [path.slice('defaults.'.length), set])} />
          </td>
        </tr>
      </Table>
    </>
  );
}

function Settings({ settings }: { settings: readonly (readonly [string, unknown])[] }): VNode {
  return (
    <ul class="settings">
      {settings.map(([name, value]) => (
        <li key={name} class="mono">
          {name}: {jsonLine(value, 100)}
        </li>
      ))}
    </ul>
  );
}
