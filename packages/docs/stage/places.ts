import { join } from 'node:path';
import { ROOT } from './pages.ts';

/** The path at which the site is served: the hub's, or that of a static host. Ends with a slash. */
export const BASE: string = process.env['DOCS_BASE'] ?? '/docs/';
/** The Markdown that VitePress reads. */
export const STAGED: string = join(ROOT, '.cache/site/pages');
/** The built site. */
export const OUTPUT: string = join(ROOT, 'packages/docs/generated');
