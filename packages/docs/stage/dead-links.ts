import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The links of the built pages that lead to no file of the site, or to no element of that page.
 * Example: `guides/keys.html: /docs/guides/tokens#no-such-heading`.
 */
export function deadLinks(folder: string, base: string): string[] {
  const pages = globSync('**/*.html', { cwd: folder }).toSorted();
  const htmlOf = new Map(pages.map((page) => [page, readFileSync(join(folder, page), 'utf8')]));
  const ids = new Map([...htmlOf].map(([page, html]) => [page, idsIn(html)]));
  return pages.flatMap((page) => {
    const origin = `http://site${base}${page}`;
    const targets = new Set(
      [...(htmlOf.get(page) ?? '').matchAll(/\s(?:href|src)="([^"]+)"/g)].map(([, url]) => url ?? ''),
    );
    return [...targets].filter((target) => !leadsSomewhere(target, origin)).map((target) => `${page}: ${target}`);
  });

  function leadsSomewhere(target: string, origin: string): boolean {
    const url = new URL(target.replaceAll('&amp;', '&'), origin);
    // Another site's address, or a program of this machine that a guide starts.
    if (url.host !== 'site') return true;
    if (!url.pathname.startsWith(base)) return false;
    const file = fileAt(folder, decodeURIComponent(url.pathname.slice(base.length)));
    if (file === undefined) return false;
    return url.hash === '' || ids.get(file)?.has(decodeURIComponent(url.hash.slice(1))) === true;
  }
}

function idsIn(html: string): ReadonlySet<string> {
  return new Set([...html.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id ?? ''));
}

/** The file of an address: `guides/keys` is `guides/keys.html`, and `` is `index.html`. */
function fileAt(folder: string, path: string): string | undefined {
  const candidates = path === '' || path.endsWith('/') ? [`${path}index.html`] : [path, `${path}.html`];
  return candidates.find(
    (candidate) => existsSync(join(folder, candidate)) && statSync(join(folder, candidate)).isFile(),
  );
}
