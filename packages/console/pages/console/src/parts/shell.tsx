import type { ComponentChildren, VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { applyTheme, storedTheme, THEMES } from '../../../lab/src/theme.ts';
import { logOut, type ConsoleSession } from '../hub/session.ts';
import { PAGES } from '../pages/pages.ts';
import { href } from '../router.ts';
import { Brand } from './brand.tsx';

/** The frame of all pages: navigation, who is logged in, and the colours. */
export function Shell({
  session,
  page,
  children,
}: {
  session: ConsoleSession;
  page: string;
  children: ComponentChildren;
}): VNode {
  const [isOpen, setOpen] = useState(false);
  useEffect(() => setOpen(false), [page]);
  return (
    <div class="shell">
      <a class="skip" href="#main" onClick={skipToMain}>
        Skip to the page
      </a>
      <header class="bar">
        <Brand />
        <button
          type="button"
          class="menu-button quiet"
          aria-expanded={isOpen}
          aria-controls="menu"
          onClick={() => setOpen(!isOpen)}
        >
          Menu
        </button>
      </header>
      <div id="menu" class={isOpen ? 'menu open' : 'menu'}>
        <nav aria-label="Pages">
          <ul>
            {PAGES.filter(({ isFor }) => isFor?.(session) !== false).map(({ name, title }) => (
              <li key={name}>
                <a href={href(name)} aria-current={name === page ? 'page' : undefined}>
                  {title}
                </a>
              </li>
            ))}
          </ul>
        </nav>
        <div class="menu-foot">
          <Who session={session} />
          <ThemeButton />
        </div>
      </div>
      <main id="main">{children}</main>
    </div>
  );
}

/** The address is that of the view, so the link moves the focus by itself. */
function skipToMain(event: Event): void {
  event.preventDefault();
  document.querySelector<HTMLElement>('main h1')?.focus();
}

function Who({ session: { login, as } }: { session: ConsoleSession }): VNode {
  if (login === 'none') return <p class="soft">Open: this hub has no access control.</p>;
  const leave = async (): Promise<void> => {
    await logOut();
    location.reload();
  };
  return (
    <p class="who">
      <span class="soft">{as?.user === undefined ? 'Key' : 'User'}</span> {as?.user ?? as?.name ?? as?.key}
      <button type="button" class="quiet" onClick={() => void leave()}>
        Log out
      </button>
    </p>
  );
}

function ThemeButton(): VNode {
  const [theme, setTheme] = useState(storedTheme());
  const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? 'system';
  const change = (): void => {
    applyTheme(next);
    setTheme(next);
    window.dispatchEvent(new Event('themechange'));
  };
  return (
    <button type="button" class="quiet" onClick={change}>
      Colours: {theme === 'system' ? 'auto' : theme}
    </button>
  );
}
