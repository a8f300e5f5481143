import { registerHooks } from 'node:module';

/**
 * Makes a hub one of a lower feature level: see `older-version.ts`. The level is in the URL of this
 * file.
 */
const level = Number(new URL(import.meta.url).searchParams.get('level'));

/** The kinds of blocks that a level brought. */
const KINDS_BY_LEVEL: Readonly<Record<number, string>> = { 3: 'subscriptions', 4: 'erase' };

/** Texts of a file, and what replaces them. */
const CHANGES: Readonly<Record<string, readonly (readonly [string, string])[]>> = {
  '/storage/cluster/fleet.ts': [
    ['export const FEATURE_LEVEL = 4;', `export const FEATURE_LEVEL = ${level};`],
    [
      'hubs.find(({ level = 1 }) => level < neededLevel)',
      `hubs.find(({ level = 1 }) => level < neededLevel) ?? (neededLevel > ${level} ? { host: 'this', version: 'this' } : undefined)`,
    ],
  ],
  '/storage/view/view-state.ts': Object.entries(KINDS_BY_LEVEL)
    .filter(([added]) => Number(added) > level)
    .map(([, kind]) => [`  '${kind}',\n`, '']),
};

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    const changes = Object.entries(CHANGES).find(([path]) => url.endsWith(path))?.[1];
    if (changes === undefined) return loaded;
    let source = String(loaded.source);
    for (const [text, replacement] of changes) {
      if (!source.includes(text)) throw new Error(`${url} has no longer: ${text}`);
      source = source.replace(text, replacement);
    }
    return { ...loaded, source };
  },
});
