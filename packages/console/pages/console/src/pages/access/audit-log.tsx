import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { read } from '../../hub/hub.ts';
import { Field, ListEnd, Table, Time, valueOf } from '../../parts/basics.tsx';
import { jsonLine } from '../../parts/format.ts';
import { usePages } from '../../parts/use-pages.ts';
import { setParams, useRoute } from '../../router.ts';

interface Entry {
  readonly id: number;
  readonly time: string;
  readonly action: string;
  readonly subject: string;
  readonly by: Readonly<Record<string, string>>;
  readonly detail: unknown;
}

/** Who changed the hub, how and when, newest first. */
export function AuditLog(): VNode {
  const { params } = useRoute();
  const search = params.get('search') ?? '';
  const [text, setText] = useState(search);
  const pages = usePages<Entry>(
    async (after, signal) => {
      const query = new URLSearchParams({
        limit: '50',
        ...(search !== '' && { contains: search }),
        ...(after !== undefined && { before: after }),
      });
      const { entries, next } = await read<{ entries: readonly Entry[]; next: number | null }>(
        `audit?${query.toString()}`,
        signal,
      );
      return { items: entries, next: next === null ? null : String(next) };
    },
    [search],
  );
  const submit = (event: Event): void => {
    event.preventDefault();
    setParams({ search: text.trim() });
  };
  return (
    <>
      <form class="filters" onSubmit={submit} role="search">
        <Field label="Search" hint="In the action, the subject, the caller and the detail.">
          <input type="search" value={text} onInput={(event) => setText(valueOf(event))} placeholder="key.revoked" />
        </Field>
        <button type="submit">Search</button>
      </form>
      {pages.items.length > 0 && (
        <Table label="Audit log" head={['Time', 'Action', 'Subject', 'By', 'Detail']}>
          {pages.items.map(({ id, time, action, subject, by, detail }) => (
            <tr key={id}>
              <td class="nowrap">
                <Time at={time} />
              </td>
              <td class="nowrap">{action}</td>
              <td class="target">{subject}</td>
              <td>
                {by['user'] ?? by['name'] ?? by['key'] ?? by['kind']}
                <div class="soft">{by['address']}</div>
              </td>
              <td class="mono target">{jsonLine(detail, 200)}</td>
            </tr>
          ))}
        </Table>
      )}
      <ListEnd pages={pages} empty={search === '' ? 'No change so far.' : `No entry contains “${search}”.`} />
    </>
  );
}
