import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { Failure } from './parts/basics.tsx';
import { Brand } from './parts/brand.tsx';
import { Login } from './parts/login.tsx';
import { Shell } from './parts/shell.tsx';
import { listenForLogOut } from './hub/hub.ts';
import { readSession, SessionContext, type ConsoleSession } from './hub/session.ts';
import { PAGES } from './pages/pages.ts';
import { useRoute } from './router.ts';

/** After a failure of the first request. */
const RETRY_MS = 2000;

/** The console: its login where the hub requires one, and then the page of the address. */
export function App(): VNode | null {
  const [session, setSession] = useState<ConsoleSession>();
  const [error, setError] = useState<unknown>(undefined);
  const { page: name, args } = useRoute();
  const page = PAGES.find((each) => each.name === name);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout>;
    const load = async (): Promise<void> => {
      try {
        setSession(await readSession());
        setError(undefined);
      } catch (failure) {
        setError(failure);
        timer = setTimeout(() => void load(), RETRY_MS);
      }
    };
    listenForLogOut(() => setSession({ login: 'required', as: null, until: null }));
    void load();
    return () => clearTimeout(timer);
  }, []);
  useEffect(() => {
    document.title = `${args[0] ?? page?.title ?? 'Not found'} · Polycast console`;
    window.scrollTo(0, 0);
    document.querySelector<HTMLElement>('h1')?.focus({ preventScroll: true });
  }, [name, args.join('/'), session?.as === null]);
  if (error !== undefined)
    return (
      <main class="login">
        <Brand />
        <Failure error={error} />
        <p class="soft">This page tries again every {RETRY_MS / 1000} seconds.</p>
      </main>
    );
  if (session === undefined) return null;
  if (session.as === null) return <Login onLogin={setSession} />;
  const Page = page?.view;
  return (
    <Shell session={session} page={name}>
      <SessionContext.Provider value={session}>
        {Page === undefined ? (
          <h1 tabIndex={-1}>This page does not exist.</h1>
        ) : (
          <Page key={`${name}/${args.join('/')}`} />
        )}
      </SessionContext.Provider>
    </Shell>
  );
}
