import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readPages, type Block } from './blocks.ts';
import { check, isCheckedElsewhere, openPage } from './check-block.ts';
import { canRun, type PageRun } from './page-run.ts';
import { scriptsOf } from './type-check.ts';

/** Each page with tabs, followed by a reader who chooses one of the other languages. */
const pages = readPages(join(import.meta.dirname, '../..'));
const choices = [...pages].flatMap(([page, blocks]) =>
  [...new Set(blocks.filter(isAlternative).map(({ language }) => language))].map((language) => ({ page, language })),
);

test('several pages have tabs', () => {
  expect(new Set(choices.map(({ page }) => page)).size).toBeGreaterThan(4);
});

test.for(choices)('$page in $language', async ({ page, language }, { skip }) => {
  if (!canRun(language)) skip(`this machine cannot run ${language}`);
  const blocks = pages.get(page) as readonly Block[];
  const opened = await openPage(`${page} in ${language}`, blocks);
  try {
    await follow(blocks, language, opened.run);
  } finally {
    await opened.close();
  }
});

/** Runs the page up to the end of the last section that has a tab of this language. */
async function follow(blocks: readonly Block[], language: string, run: PageRun): Promise<void> {
  const scripts = scriptsOf(blocks);
  const isChosen = (block: Block): boolean => isAlternative(block) && block.language === language;
  const lastSection = blocks.findLast(isChosen)?.section ?? 0;
  const groups = Map.groupBy(
    blocks.filter(({ section }) => section <= lastSection),
    ({ section }) => section,
  );
  for (const section of groups.values()) {
    const shown: (() => Promise<void>)[] = [];
    for (const block of section) {
      if (isChosen(block)) {
        const output = await run.run(block, scripts.get(block) ?? block.text);
        shown.push(() => run.shows(output, block.shows as string));
      } else if (isFollowed(block, section, language, shown.length > 0)) await check(block, run, scripts.get(block));
    }
    for (const hasShown of shown) await hasShown();
  }
}

/** A tab that another test does not run, and that is not the first of its group. */
function isAlternative({ tab = 0, notRun }: Block): boolean {
  return tab > 0 && notRun === undefined;
}

/**
 * Whether the reader does what a block outside of the chosen language says. What follows the first
 * tab and shows its output is not for this reader.
 */
function isFollowed(block: Block, section: readonly Block[], language: string, hasChosen: boolean): boolean {
  const { tab, marks } = block;
  if (isCheckedElsewhere(block)) return false;
  if (tab !== undefined) return tab === 0 && !groupOf(block, section).some((each) => each.language === language);
  return !(hasChosen && (marks.includes('prints') || marks.includes('meanwhile')));
}

/** The tabs of one group, from its first. */
function groupOf(first: Block, section: readonly Block[]): readonly Block[] {
  const rest = section.slice(section.indexOf(first) + 1);
  const end = rest.findIndex(({ tab }) => tab === undefined || tab === 0);
  return end === -1 ? rest : rest.slice(0, end);
}
