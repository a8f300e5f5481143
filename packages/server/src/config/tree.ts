/**
 * A configuration before its check: nested objects, with all other values as leaves. Any key is
 * possible, because keys come from files and flags.
 */
export interface Tree {
  [key: string]: unknown;
}

export function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Merges `source` into `target`, section by section. A list replaces a list. Returns `target`. */
export function mergeTrees(target: Tree, source: Tree): Tree {
  for (const [key, value] of Object.entries(source)) {
    const existing = ownMember(target, key);
    if (isTree(value)) mergeTrees(isTree(existing) ? existing : defineMember(target, key, {}), value);
    else defineMember(target, key, value);
  }
  return target;
}

/** Sets the leaf at a dotted path, and creates its sections. */
export function setPath(target: Tree, path: string, value: unknown): void {
  const keys = path.split('.');
  const last = keys.pop() as string;
  let tree = target;
  for (const key of keys) {
    const existing = ownMember(tree, key);
    tree = isTree(existing) ? existing : defineMember(tree, key, {});
  }
  defineMember(tree, last, value);
}

/** The dotted paths of all leaves. */
export function leafPaths(tree: Tree, prefix = ''): string[] {
  return Object.entries(tree).flatMap(([key, value]) =>
    isTree(value) ? leafPaths(value, `${prefix}${key}.`) : [prefix + key],
  );
}

function ownMember(tree: Tree, key: string): unknown {
  return Object.hasOwn(tree, key) ? tree[key] : undefined;
}

/** Defines an own member under any name: `__proto__` is a key like any other. */
function defineMember<Value>(target: Tree, key: string, value: Value): Value {
  Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
  return value;
}
