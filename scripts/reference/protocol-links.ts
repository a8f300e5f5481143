import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { anchorOf } from '../../packages/docs/stage/anchors.ts';

const PROTOCOL = readFileSync(join(import.meta.dirname, '../../PROTOCOL.md'), 'utf8');

/** The anchors of the sections, by number: `6` is `6-server-sent-events`. */
const ANCHORS = new Map(
  [...PROTOCOL.matchAll(/^## ((\d+)\. .+)$/gm)].map(([, heading = '', number = '']) => [number, anchorOf(heading)]),
);

/**
 * A page in `docs/reference` with a link for each mention of a section: "PROTOCOL.md section 6.4".
 */
export function withProtocolLinks(page: string): string {
  return page.replaceAll(/PROTOCOL\.md sections? (\d+)(?:\.\d+)*/g, (mention, number: string) => {
    const anchor = ANCHORS.get(number);
    if (anchor === undefined) throw new Error(`there is no ${mention}`);
    return `[${mention}](../../PROTOCOL.md#${anchor})`;
  });
}
