import { summaryOf } from './markdown.ts';
import type { Page } from './pages.ts';
import type { SidebarSection } from './sidebar.ts';

const TITLE =
  '# Polycast\n\n> Publish once. Deliver over everything. Polycast is a real-time event delivery server for any web backend.';

/** `llms.txt`: all pages by section, each with the address of its Markdown and one sentence. */
export function llmsText(sections: readonly SidebarSection[], base: string): string {
  const lists = sections.map(({ title, items }) => {
    const lines = items.map(({ page }) => `- [${page.title}](${base}${page.address}.md): ${summaryOf(page)}`);
    return `## ${title}\n\n${lines.join('\n')}`;
  });
  return `${[TITLE, `All pages in one file: [llms-full.txt](${base}llms-full.txt).`, ...lists].join('\n\n')}\n`;
}

/** `llms-full.txt`: the text of all pages of the sidebar. */
export function llmsFullText(sections: readonly SidebarSection[], textOf: (page: Page) => string): string {
  return [TITLE, ...sections.flatMap(({ items }) => items.map(({ page }) => textOf(page)))].join('\n\n---\n\n');
}
