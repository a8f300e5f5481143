import type { ComponentChildren, VNode } from 'preact';
import type { Unhealthy } from './unhealthy.ts';

/** What is unhealthy, in words, or the sentence that nothing is. */
export function Health({ found, children }: { found: readonly Unhealthy[]; children: ComponentChildren }): VNode {
  if (found.length === 0)
    return (
      <p class="health well" role="status">
        {children}
      </p>
    );
  return (
    <ul class="health" aria-label="Unhealthy">
      {found.map(({ level, text, act, link, linkText }) => (
        <li key={text} class={level}>
          <span class="level">{level === 'bad' ? 'Act now' : 'Watch'}</span>
          <span>
            {text}
            {act !== undefined && <span class="act">{act}</span>}
          </span>
          {link !== undefined && <a href={link}>{linkText}</a>}
        </li>
      ))}
    </ul>
  );
}
