import type { VNode } from 'preact';

/** The name of the product, with its sign: one source, three ways. */
export function Brand(): VNode {
  return (
    <p class="brand">
      <svg viewBox="0 0 24 24" width="22" height="22" aria-hidden="true">
        <circle cx="5" cy="12" r="3.4" class="brand-dot" />
        <path d="M10 12h11M10 12c5 0 4-7 11-7M10 12c5 0 4 7 11 7" class="brand-lines" />
      </svg>
      Polycast <span class="brand-room">console</span>
    </p>
  );
}
