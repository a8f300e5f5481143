import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { read } from '../../hub/hub.ts';
import { Failure, Field, Table, valueOf } from '../../parts/basics.tsx';
import { useLoad } from '../../parts/use-load.ts';
import { setParams, useRoute } from '../../router.ts';

interface Explanation {
  readonly allowed: boolean;
  readonly action: string;
  readonly channel: string;
  readonly by: string;
  readonly needs?: string;
  readonly revokedBefore?: string;
}

const ACTIONS = ['subscribe', 'publish', 'history', 'presence'] as const;

/** What a user, a key or anybody may do on a channel, and which rule decides. */
export function ExplainAccess(): VNode {
  const { params } = useRoute();
  const asked = params.get('channel') ?? '';
  const who = params.get('who') || 'user';
  const name = params.get('name') ?? '';
  const claims = params.get('claims') ?? '';
  const { value, error } = useLoad<readonly Explanation[]>(
    async (signal) => {
      if (asked === '') return [];
      const caller =
        who === 'user' ? { user: name, ...(claims !== '' && { claims }) } : who === 'key' ? { key: name } : {};
      return Promise.all(
        ACTIONS.map((action) => {
          const query = new URLSearchParams({ ...caller, [action]: asked });
          return read<Explanation>(`access/explain?${query.toString()}`, signal);
        }),
      );
    },
    [asked, who, name, claims],
  );
  return (
    <>
      <Question params={params} />
      <Failure error={error} />
      {value !== undefined && value.length > 0 && (
        <div class="section">
          <Table label="Answer" head={['May', 'Answer', 'Decided by', 'It needs']}>
            {value.map(({ action, allowed, by, needs }) => (
              <tr key={action}>
                <td>
                  {action} {asked}
                </td>
                <td>
                  <span class={`tag ${allowed ? 'well' : 'bad'}`}>{allowed ? 'yes' : 'no'}</span>
                </td>
                <td>{by}</td>
                <td>{needs ?? '–'}</td>
              </tr>
            ))}
          </Table>
        </div>
      )}
    </>
  );
}

/** The caller and the channel of the question; the address keeps them. */
function Question({ params }: { params: URLSearchParams }): VNode {
  const [form, setForm] = useState({
    who: params.get('who') || 'user',
    name: params.get('name') ?? '',
    claims: params.get('claims') ?? '',
    channel: params.get('channel') ?? '',
  });
  const submit = (event: Event): void => {
    event.preventDefault();
    setParams(form);
  };
  return (
    <form class="card form" onSubmit={submit}>
      <Field label="Who">
        <select value={form.who} onChange={(event) => setForm({ ...form, who: valueOf(event) })}>
          <option value="user">a user</option>
          <option value="key">a key</option>
          <option value="anyone">anybody</option>
        </select>
      </Field>
      {form.who !== 'anyone' && (
        <Field label={form.who === 'user' ? 'Name of the user' : 'Id of the key'}>
          <input value={form.name} onInput={(event) => setForm({ ...form, name: valueOf(event) })} />
        </Field>
      )}
      {form.who === 'user' && (
        <Field label="Claims of the token" hint="Optional. JSON, as the token has them.">
          <input
            value={form.claims}
            onInput={(event) => setForm({ ...form, claims: valueOf(event) })}
            placeholder='{"role": "staff"}'
          />
        </Field>
      )}
      <Field label="Channel or pattern">
        <input
          value={form.channel}
          onInput={(event) => setForm({ ...form, channel: valueOf(event) })}
          placeholder="orders.42"
        />
      </Field>
      <div class="wide">
        <button type="submit" class="primary" disabled={form.channel === ''}>
          Ask
        </button>
      </div>
    </form>
  );
}
