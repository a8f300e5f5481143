import { onContentUpdated } from 'vitepress';
import { onMounted } from 'vue';

const STORED = 'polycast-docs-language';

/**
 * Remembers the language that a reader chooses in a group of tabs, and shows it in all groups, on
 * this page and the next ones.
 */
export function useLanguages(): void {
  onMounted(() => {
    addEventListener('click', ({ target }) => {
      if (!(target instanceof HTMLInputElement) || target.closest('.vp-code-group') === null) return;
      localStorage.setItem(STORED, labelOf(target));
      const topBefore = target.getBoundingClientRect().top;
      showLanguage();
      // Groups above may have changed their height: the chosen one stays where it is.
      scrollBy({ top: target.getBoundingClientRect().top - topBefore, behavior: 'instant' });
    });
  });
  onContentUpdated(showLanguage);
}

function showLanguage(): void {
  const language = localStorage.getItem(STORED);
  for (const group of document.querySelectorAll('.vp-code-group')) {
    const inputs = [...group.querySelectorAll('input')];
    const chosen = inputs.findIndex((input) => labelOf(input) === language);
    const blocks = [...(group.querySelector('.blocks')?.children ?? [])];
    if (chosen < 0 || blocks.length !== inputs.length) continue;
    (inputs[chosen] as HTMLInputElement).checked = true;
    for (const [index, block] of blocks.entries()) block.classList.toggle('active', index === chosen);
  }
}

function labelOf(input: HTMLInputElement): string {
  return input.labels?.[0]?.textContent ?? '';
}
