import type { VNode } from 'preact';
import { useContext, useState } from 'preact/hooks';
import { read, send } from '../../hub/hub.ts';
import { SessionContext } from '../../hub/session.ts';
import { Copy, Failure, Field, Notice, Table, Time, valueOf } from '../../parts/basics.tsx';
import { Confirm } from '../../parts/dialog.tsx';
import { countText } from '../../parts/format.ts';
import { useLoad } from '../../parts/use-load.ts';

interface Key {
  readonly id: string;
  readonly name: string;
  readonly scopes: Readonly<Record<string, readonly string[]>>;
  readonly created: string;
  readonly expires: string | null;
  readonly lastUsed: string | null;
  readonly overlapUntil: string | null;
}

/** A change that waits for its confirmation. */
interface Asked {
  readonly verb: 'Revoke' | 'Rotate';
  readonly key: Key;
}

/** The keys are few; beyond these, the search finds the others. */
const SHOWN_MAX = 100;

/** The keys of servers; a hub without access control has none, and refuses to make one. */
export function Keys(): VNode {
  if (useContext(SessionContext)?.login !== 'none') return <KeyList />;
  return (
    <Notice>
      This hub has no access control: everybody may do everything, without a key. To use keys, start it with{' '}
      <code>polycast serve</code>, or with the setting <code>access: rules</code>.
    </Notice>
  );
}

/** The keys, made, rotated and revoked. A secret is shown once. */
function KeyList(): VNode {
  const { value, error, reload } = useLoad((signal) => read<{ keys: readonly Key[] }>('keys', signal), []);
  const [text, setText] = useState('');
  const [shownMax, setShownMax] = useState(SHOWN_MAX);
  const [made, setMade] = useState<{ readonly name: string; readonly key: string }>();
  const [asked, setAsked] = useState<Asked>();
  const found = (value?.keys ?? []).filter(({ id, name }) =>
    `${id} ${name}`.toLowerCase().includes(text.toLowerCase()),
  );
  const act = async ({ verb, key }: Asked): Promise<void> => {
    if (verb === 'Revoke') await send('DELETE', `keys/${key.id}`);
    else setMade(await send('POST', `keys/${key.id}/rotate`, {}));
    reload();
  };
  return (
    <>
      <Failure error={error} />
      {made !== undefined && (
        <Notice>
          The key {made.name}, shown only now: <code>{made.key}</code> <Copy text={made.key}>Copy</Copy>
        </Notice>
      )}
      <div class="filters">
        <Field label="Search">
          <input type="search" value={text} onInput={(event) => setText(valueOf(event))} placeholder="name or id" />
        </Field>
        <p class="soft">{countText(found.length, 'key')}</p>
      </div>
      <Table label="Keys" head={['Name', 'Scopes', 'Created', 'Last used', 'Expires', 'Change']}>
        {found.slice(0, shownMax).map((key) => (
          <KeyRow key={key.id} shown={key} onAsk={setAsked} />
        ))}
      </Table>
      {found.length > shownMax && (
        <div class="list-end">
          <button type="button" onClick={() => setShownMax(shownMax + SHOWN_MAX)}>
            Show more
          </button>
        </div>
      )}
      <section class="section">
        <h2>New key</h2>
        <NewKey
          onMade={(key) => {
            setMade(key);
            reload();
          }}
        />
      </section>
      {asked !== undefined && (
        <Confirm
          title={`${asked.verb} the key ${asked.key.name}`}
          name={asked.key.name}
          verb={asked.verb}
          act={() => act(asked)}
          onClose={() => setAsked(undefined)}
        >
          {asked.verb === 'Revoke'
            ? 'It is refused from now on, and its sessions end. This cannot be taken back.'
            : 'It gets a new secret. The present one is valid for one more day.'}
        </Confirm>
      )}
    </>
  );
}

function KeyRow({ shown, onAsk }: { shown: Key; onAsk: (asked: Asked) => void }): VNode {
  return (
    <tr>
      <td>
        {shown.name}
        <div class="soft mono">{shown.id}</div>
      </td>
      <td class="mono">{scopeText(shown.scopes)}</td>
      <td class="nowrap">
        <Time at={shown.created} />
      </td>
      <td class="nowrap">{shown.lastUsed === null ? 'never' : <Time at={shown.lastUsed} />}</td>
      <td class="nowrap">{shown.expires === null ? 'never' : <Time at={shown.expires} />}</td>
      <td>
        <div class="row-buttons">
          <button type="button" onClick={() => onAsk({ verb: 'Rotate', key: shown })}>
            Rotate<span class="unseen"> {shown.name}</span> …
          </button>
          <button type="button" onClick={() => onAsk({ verb: 'Revoke', key: shown })}>
            Revoke<span class="unseen"> {shown.name}</span> …
          </button>
        </div>
      </td>
    </tr>
  );
}

function scopeText(scopes: Key['scopes']): string {
  return Object.entries(scopes)
    .map(([scope, patterns]) => (patterns.join() === '>' ? scope : `${scope}: ${patterns.join(' ')}`))
    .join(', ');
}

const SCOPES: readonly { readonly name: string; readonly hint: string; readonly isWhole?: true }[] = [
  { name: 'publish', hint: 'orders.> news' },
  { name: 'subscribe', hint: 'orders.>' },
  { name: 'subscriptions', hint: 'orders.>' },
  { name: 'users', hint: '', isWhole: true },
  { name: 'admin', hint: '', isWhole: true },
];

function NewKey({ onMade }: { onMade: (made: { name: string; key: string }) => void }): VNode {
  const [name, setName] = useState('');
  const [patterns, setPatterns] = useState<Readonly<Record<string, string>>>({});
  const [days, setDays] = useState('');
  const [error, setError] = useState<unknown>(undefined);
  const scopes = Object.fromEntries(
    Object.entries(patterns)
      .map(([scope, text]) => [scope, text.split(/[\s,]+/).filter((pattern) => pattern !== '')] as const)
      .filter(([, found]) => found.length > 0),
  );
  const create = async (event: Event): Promise<void> => {
    event.preventDefault();
    setError(undefined);
    const expires = days === '' ? {} : { expires: new Date(Date.now() + Number(days) * 86_400_000).toISOString() };
    try {
      onMade(await send('POST', 'keys', { name, scopes, ...expires }));
      setName('');
      setPatterns({});
    } catch (failure) {
      setError(failure);
    }
  };
  return (
    <form class="card form" onSubmit={(event) => void create(event)}>
      <Field label="Name">
        <input value={name} onInput={(event) => setName(valueOf(event))} placeholder="shop backend" />
      </Field>
      <Field label="Valid for days" hint="Empty: for ever.">
        <input type="number" min={1} value={days} onInput={(event) => setDays(valueOf(event))} />
      </Field>
      {SCOPES.map((scope) =>
        scope.isWhole === true ? (
          <label key={scope.name} class="check">
            <input
              type="checkbox"
              checked={patterns[scope.name] !== undefined && patterns[scope.name] !== ''}
              onChange={({ currentTarget }) =>
                setPatterns({ ...patterns, [scope.name]: currentTarget.checked ? '>' : '' })
              }
            />{' '}
            {scope.name}, for the whole hub
          </label>
        ) : (
          <Field key={scope.name} label={`${scope.name}: patterns`}>
            <input
              value={patterns[scope.name] ?? ''}
              placeholder={scope.hint}
              onInput={(event) => setPatterns({ ...patterns, [scope.name]: valueOf(event) })}
            />
          </Field>
        ),
      )}
      <div class="wide">
        <Failure error={error} />
        <button type="submit" class="primary" disabled={name === '' || Object.keys(scopes).length === 0}>
          Create the key
        </button>
      </div>
    </form>
  );
}
