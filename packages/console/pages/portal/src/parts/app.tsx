import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import type { ComponentChildren, JSX } from 'preact';
import { RefusedError, type PortalApi } from '../model/portal-api.ts';
import type { Endpoint, EventType, Portal } from '../model/resources.ts';
import { applyTheme } from '../model/theme.ts';
import { EndpointForm } from './endpoint-form.tsx';
import { EndpointList } from './endpoint-list.tsx';
import { EndpointView } from './endpoint-view.tsx';
import { Notice } from './notice.tsx';
import { SecretView } from './secret-view.tsx';

/** What the page shows. A secret is shown once, after its creation. */
type View =
  | { readonly kind: 'list' }
  | { readonly kind: 'new' }
  | { readonly kind: 'endpoint'; readonly id: string }
  | { readonly kind: 'secret'; readonly id: string; readonly secret: string };

interface Loaded {
  readonly portal: Portal;
  readonly types: readonly EventType[];
  readonly endpoints: readonly Endpoint[];
  /** The number of the load: lists of an endpoint are read again with it. */
  readonly round: number;
}

/** How often a visible page reads again what it shows. */
const REFRESH_MS = 5000;

/** @param api `undefined` without a token in the URL */
export function App({ api }: { readonly api: PortalApi | undefined }): JSX.Element {
  const [view, setView] = useState<View>({ kind: 'list' });
  const { loaded, problem, reload } = useLoaded(api);
  const show = (next: View): void => {
    setView(next);
    reload();
  };

  if (api === undefined) return <Page>{<Notice tone="warning">{NO_LINK}</Notice>}</Page>;
  const notice = problem !== undefined && <Notice tone="warning">{isOver(problem) ? OVER : problem.message}</Notice>;
  if (loaded === undefined) return <Page>{notice || <p role="status">Loading…</p>}</Page>;
  const { portal, types, endpoints, round } = loaded;
  const selected = view.kind === 'endpoint' ? endpoints.find(({ id }) => id === view.id) : undefined;
  return (
    <Page>
      {notice}
      {view.kind === 'new' ? (
        <EndpointForm
          types={types}
          channels={portal.channels}
          save={(options) => api.create(options)}
          onSaved={({ id, delivery: { secret } }) =>
            show(secret === undefined ? { kind: 'endpoint', id } : { kind: 'secret', id, secret })
          }
          onCancel={() => show({ kind: 'list' })}
        />
      ) : view.kind === 'secret' ? (
        <SecretView secret={view.secret} onDone={() => show({ kind: 'endpoint', id: view.id })} />
      ) : selected === undefined ? (
        <EndpointList
          endpoints={endpoints}
          onSelect={(id) => show({ kind: 'endpoint', id })}
          onNew={() => show({ kind: 'new' })}
        />
      ) : (
        <EndpointView
          api={api}
          endpoint={selected}
          types={types}
          channels={portal.channels}
          round={round}
          onChanged={reload}
          onSecret={(secret) => show({ kind: 'secret', id: selected.id, secret })}
          onBack={() => show({ kind: 'list' })}
        />
      )}
    </Page>
  );
}

interface Loading {
  readonly loaded: Loaded | undefined;
  /** Why the last load failed. What was loaded before stays, with what a person has typed there. */
  readonly problem: RefusedError | undefined;
  readonly reload: () => void;
}

function isOver({ code }: RefusedError): boolean {
  return code === 'token_expired' || code === 'unauthorized';
}

/**
 * Loads what the page shows, and again at an interval while it is visible and its link is valid.
 */
function useLoaded(api: PortalApi | undefined): Loading {
  const [loaded, setLoaded] = useState<Loaded>();
  const [problem, setProblem] = useState<RefusedError>();
  const rounds = useRef(0);
  /** Resolves to whether the link is still valid. */
  const load = useCallback(async (): Promise<boolean> => {
    if (api === undefined) return false;
    const round = ++rounds.current;
    try {
      const [portal, types, endpoints] = await Promise.all([api.portal(), api.eventTypes(), api.endpoints()]);
      // An answer that a later load has overtaken is old.
      if (round !== rounds.current) return true;
      applyTheme(portal.theme, document.documentElement);
      setProblem(undefined);
      setLoaded({ portal, types, endpoints, round });
      return true;
    } catch (error) {
      const refusal = error instanceof RefusedError ? error : new RefusedError('', String(error));
      if (round === rounds.current) setProblem(refusal);
      return !isOver(refusal);
    }
  }, [api]);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isClosed = false;
    const repeat = async (): Promise<void> => {
      const isValid = (document.hidden && rounds.current > 0) || (await load());
      if (isValid && !isClosed) timer = setTimeout(() => void repeat(), REFRESH_MS);
    };
    void repeat();
    return () => {
      isClosed = true;
      clearTimeout(timer);
    };
  }, [load]);
  return { loaded, problem, reload: () => void load() };
}

function Page({ children }: { readonly children: ComponentChildren }): JSX.Element {
  return <main>{children}</main>;
}

const NO_LINK = 'This page needs a link from your provider. Open it from there.';
const OVER = 'Your session has ended. Load the page of your provider again.';
