import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { read } from '../../hub/hub.ts';
import { Failure, Field, Head, Time, valueOf } from '../../parts/basics.tsx';
import { useLoad } from '../../parts/use-load.ts';
import { href, setParams, useRoute } from '../../router.ts';

/** The answer of `GET /v1/explain`. */
interface Explanation {
  readonly event: { readonly id: string; readonly channel?: string; readonly type?: string; readonly time?: string };
  readonly outcome: 'delivered' | 'pending' | 'missed' | 'unknown';
  readonly reason: string;
  readonly sentence: string;
  readonly steps: readonly Step[];
}

interface Step {
  readonly step: string;
  readonly verdict: 'passed' | 'stopped' | 'pending' | 'unknown';
  readonly reason?: string;
  readonly time: string | null;
  readonly text: string;
  readonly link: string | null;
  readonly detail?: unknown;
}

const READERS = [
  { name: 'user', title: 'a user', hint: 'ann' },
  { name: 'session', title: 'a session', hint: '8FTkQ0hGL2xWmN4v' },
  { name: 'subscription', title: 'a subscription', hint: 'sub_…' },
  { name: 'channel', title: 'a channel', hint: 'orders.42' },
];

const OUTCOME_WORDS: Readonly<Record<Explanation['outcome'], string>> = {
  delivered: 'Delivered.',
  pending: 'Not yet.',
  missed: 'Not delivered.',
  unknown: 'Not known.',
};

const LEVELS: Readonly<Record<string, string>> = {
  passed: 'well',
  delivered: 'well',
  stopped: 'bad',
  missed: 'bad',
  pending: 'watch',
  unknown: 'watch',
};

/** Why a reader got an event, or did not: the answer in a sentence, and the steps as a timeline. */
export function Why(): VNode {
  const { params } = useRoute();
  const reader = READERS.find(({ name }) => (params.get(name) ?? '') !== '');
  const event = params.get('event') ?? '';
  const name = reader === undefined ? '' : (params.get(reader.name) ?? '');
  const claims = params.get('claims') ?? '';
  const { value, error, reload } = useLoad<Explanation | null>(
    async (signal) => {
      if (event === '' || reader === undefined) return null;
      const query = new URLSearchParams({ event, [reader.name]: name, ...(claims !== '' && { claims }) });
      return read<Explanation>(`explain?${query.toString()}`, signal);
    },
    [event, reader?.name, name, claims],
  );
  return (
    <>
      <Head title="Why" lead="Why somebody got an event, or did not: step by step." />
      <Question event={event} kind={reader?.name ?? 'user'} name={name} claims={claims} onAsk={reload} />
      <Failure error={error} />
      {value !== undefined && value !== null && (
        <>
          <p class={`answer ${LEVELS[value.outcome] ?? ''}`} role="status">
            <b>{OUTCOME_WORDS[value.outcome]}</b> {value.sentence}
          </p>
          <ol class="steps" aria-label="Steps">
            {value.steps.map((step, index) => (
              <StepRow key={index} step={step} />
            ))}
          </ol>
        </>
      )}
    </>
  );
}

function StepRow({ step }: { step: Step }): VNode {
  const { step: name, verdict, time, text, link, detail } = step;
  const page = pageOf(link);
  return (
    <li class={`step ${LEVELS[verdict] ?? ''}`}>
      <span class="step-time">{time === null ? '' : <Time at={time} />}</span>
      <div>
        <p>
          <span class={`tag ${LEVELS[verdict] ?? ''}`}>{verdict}</span> <b>{name.replaceAll('_', ' ')}</b>
        </p>
        <p>{text}</p>
        {page !== undefined && <a href={page}>Look at it</a>}
        {detail !== undefined && (
          <details>
            <summary>Detail</summary>
            <pre class="json">{JSON.stringify(detail, null, 2)}</pre>
          </details>
        )}
      </div>
    </li>
  );
}

/** The page of the console for a path of the API. */
function pageOf(link: string | null): string | undefined {
  const [, kind, id] = /^\/v1\/(subscriptions|channels)\/([^/?]+)/.exec(link ?? '') ?? [];
  if (kind === undefined || id === undefined) return undefined;
  return href(kind, [decodeURIComponent(id)]);
}

interface QuestionProps {
  readonly event: string;
  readonly kind: string;
  readonly name: string;
  readonly claims: string;
  /** Also for the same question: its answer may be another one now. */
  readonly onAsk: () => void;
}

function Question({ event, kind, name, claims, onAsk }: QuestionProps): VNode {
  const [form, setForm] = useState({ event, kind, name, claims });
  // Another question in the address changes the form as well.
  useEffect(() => setForm({ event, kind, name, claims }), [event, kind, name, claims]);
  const reader = READERS.find((each) => each.name === form.kind);
  const ask = (submitted: Event): void => {
    submitted.preventDefault();
    const none = Object.fromEntries(READERS.map((each) => [each.name, '']));
    setParams({ ...none, event: form.event.trim(), [form.kind]: form.name.trim(), claims: form.claims });
    onAsk();
  };
  return (
    <form class="card form" onSubmit={ask}>
      <Field label="Id of the event" hint="As the publisher got it, or as the history shows it.">
        <input
          value={form.event}
          onInput={(changed) => setForm({ ...form, event: valueOf(changed) })}
          placeholder="0t24qj92dx-00000000010"
          spellcheck={false}
        />
      </Field>
      <Field label="Who should have got it">
        <select value={form.kind} onChange={(changed) => setForm({ ...form, kind: valueOf(changed) })}>
          {READERS.map((each) => (
            <option key={each.name} value={each.name}>
              {each.title}
            </option>
          ))}
        </select>
      </Field>
      <Field label="Name or id">
        <input
          value={form.name}
          onInput={(changed) => setForm({ ...form, name: valueOf(changed) })}
          placeholder={reader?.hint ?? ''}
          spellcheck={false}
        />
      </Field>
      {form.kind === 'user' && (
        <Field label="Claims" hint="Optional, for a user who is away: JSON, as the token has them.">
          <input value={form.claims} onInput={(changed) => setForm({ ...form, claims: valueOf(changed) })} />
        </Field>
      )}
      <div class="wide">
        <button type="submit" class="primary" disabled={form.event.trim() === '' || form.name.trim() === ''}>
          Ask why
        </button>
      </div>
    </form>
  );
}
