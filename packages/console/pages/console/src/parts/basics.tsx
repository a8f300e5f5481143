import type { ComponentChildren, TargetedEvent, VNode } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { wordsOf } from '../hub/hub.ts';
import { timeText } from './format.ts';
import type { Pages } from './use-pages.ts';

/** A point in time, with the full one on hover. */
export function Time({ at }: { at: string | number | null | undefined }): VNode {
  if (at === null || at === undefined) return <span>–</span>;
  const iso = new Date(at).toISOString();
  return (
    <time dateTime={iso} title={iso}>
      {timeText(at)}
    </time>
  );
}

/** A failure in words, announced to screen readers. */
export function Failure({ error }: { error: unknown }): VNode | null {
  if (error === undefined) return null;
  return (
    <p class="failure" role="alert">
      {wordsOf(error)}
    </p>
  );
}

/** A success in words, announced to screen readers. */
export function Notice({ children }: { children: ComponentChildren }): VNode {
  return (
    <p class="notice" role="status">
      {children}
    </p>
  );
}

/** The head of a view, which has the focus after a change of the view. */
export function Head({
  title,
  lead,
  children,
}: {
  title: ComponentChildren;
  lead?: ComponentChildren;
  children?: ComponentChildren;
}): VNode {
  return (
    <header class="head">
      <div>
        <h1 tabIndex={-1}>{title}</h1>
        {lead !== undefined && <p class="lead">{lead}</p>}
      </div>
      {children !== undefined && <div class="head-actions">{children}</div>}
    </header>
  );
}

/** A labelled field of a form. */
export function Field({ label, hint, children }: { label: string; hint?: string; children: ComponentChildren }): VNode {
  return (
    <label class="field">
      <span class="field-label">{label}</span>
      {children}
      {hint !== undefined && <span class="field-hint">{hint}</span>}
    </label>
  );
}

/** The end of a list: its next page, or that nothing was found. */
export function ListEnd<Item>({ pages, empty }: { pages: Pages<Item>; empty: ComponentChildren }): VNode {
  const { items, hasMore, isLoading, error, more } = pages;
  return (
    <div class="list-end">
      <Failure error={error} />
      {items.length === 0 && !isLoading && error === undefined && <p class="empty">{empty}</p>}
      {isLoading && <p class="soft">Reading …</p>}
      {hasMore && !isLoading && (
        <button type="button" onClick={more}>
          Show more
        </button>
      )}
    </div>
  );
}

/**
 * Copies a text, and says so. Browsers have no clipboard on pages without TLS of another machine.
 */
export function Copy({ text, children }: { text: string; children: ComponentChildren }): VNode | null {
  const [isCopied, setCopied] = useState(false);
  if (!window.isSecureContext) return null;
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
    setTimeout(() => setCopied(false), 2000);
  };
  return (
    <button type="button" class="quiet" onClick={() => void copy()}>
      {isCopied ? 'Copied' : children}
    </button>
  );
}

/**
 * A table that scrolls in itself where it is too wide. On a small screen each row is a list of
 * cells with their titles, so that the buttons at its end are in sight.
 */
export function Table({
  label,
  head,
  children,
}: {
  label: string;
  head: readonly string[];
  children: ComponentChildren;
}): VNode {
  const body = useRef<HTMLTableSectionElement>(null);
  useLayoutEffect(() => {
    for (const row of body.current?.rows ?? []) labelCells(row, head);
  });
  return (
    <div class="table" role="region" aria-label={label} tabIndex={0}>
      <table role="table">
        <thead role="rowgroup">
          <tr role="row">
            {head.map((title) => (
              <th key={title} scope="col" role="columnheader">
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody ref={body} role="rowgroup">
          {children}
        </tbody>
      </table>
    </div>
  );
}

/**
 * The roles are explicit, because rows that are no table rows for the style sheet
 * would lose theirs.
 */
function labelCells(row: HTMLTableRowElement, head: readonly string[]): void {
  row.setAttribute('role', 'row');
  for (const [index, cell] of [...row.cells].entries()) {
    cell.setAttribute('role', 'cell');
    cell.dataset['label'] = head[index] ?? '';
  }
}

/** Facts as pairs of a name and a value. */
export function Facts({ facts }: { facts: readonly (readonly [string, ComponentChildren])[] }): VNode {
  return (
    <dl class="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** The progress of a long task in words and as a bar. */
export function Progress({ label, done, of }: { label: string; done: number; of: number }): VNode {
  return (
    <p class="progress">
      <span role="status">{label}</span>
      <progress value={Math.min(done, of)} max={Math.max(of, 1)} aria-label={label} />
    </p>
  );
}

type InputEvent = TargetedEvent<HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement>;

/** The value of a field that has changed. */
export function valueOf(event: InputEvent): string {
  return event.currentTarget.value;
}
