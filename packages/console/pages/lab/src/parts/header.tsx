import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { applyTheme, storedTheme, THEMES } from '../theme.ts';
import type { FeedState } from '../wire-feed.ts';

const FEED_WORDS: Readonly<Record<FeedState, string>> = {
  connecting: 'connecting to the hub',
  open: 'hub is online',
  lost: 'hub is offline',
};

export function Header({ feed }: { feed: FeedState }): VNode {
  const [theme, setTheme] = useState(storedTheme());
  const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? 'system';
  return (
    <header class="top">
      <p class="brand">
        <svg viewBox="0 0 24 24" width="22" height="22" aria-hidden="true">
          <circle cx="5" cy="12" r="3.4" class="brand-dot" />
          <path d="M10 12h11M10 12c5 0 4-7 11-7M10 12c5 0 4 7 11 7" class="brand-lines" />
        </svg>
        Polycast <span class="brand-room">Transport Lab</span>
      </p>
      <p class={`feed feed-${feed}`} role="status">
        <span>{FEED_WORDS[feed]}</span>
      </p>
      <button
        type="button"
        class="quiet"
        onClick={() => {
          applyTheme(next);
          setTheme(next);
        }}
      >
        <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
          <circle cx="8" cy="8" r="6.5" class="theme-ring" />
          {theme !== 'light' && (
            <path
              d={theme === 'dark' ? 'M8 1.5a6.5 6.5 0 0 1 0 13 6.5 6.5 0 0 1 0-13z' : 'M8 1.5a6.5 6.5 0 0 1 0 13z'}
              class="theme-fill"
            />
          )}
        </svg>
        <span class="unseen">Colours: </span>
        <span class="theme-name">{theme === 'system' ? 'auto' : theme}</span>
      </button>
    </header>
  );
}
