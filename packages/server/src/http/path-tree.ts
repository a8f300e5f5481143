/** What is stored for a path, and the parameters of the path that was found. */
export interface PathMatch<Stored> {
  readonly stored: Stored;
  readonly params: Readonly<Record<string, string | undefined>>;
}

/**
 * Finds what is stored for a path. The segments of stored paths have three forms: a word, a
 * parameter (`:channel`), and at the end `*`, which stands for the rest. A word comes before a
 * parameter, and a parameter before `*`. Example: with `/v1/users/events` and `/v1/users/:user`,
 * the path `/v1/users/ann` has the parameters `{ user: 'ann' }`.
 *
 * This is no library, because a start of the hub took 14 ms for one that compiles each prefix.
 */
export class PathTree<Stored> {
  readonly #root = new Node<Stored>();

  /**
   * What is stored for a path with parameters: `/v1/users/:user`.
   * @param make makes it for a path that is new
   * @throws Error when `*` is not at the end, or when another path differs only in the names of its
   * parameters
   */
  at(path: string, make: () => Stored): Stored {
    let node = this.#root;
    const names: string[] = [];
    for (const segment of path.slice(1).split('/')) {
      if (names.includes('*')) throw new Error(`${path}: \`*\` stands for the rest, so nothing follows it`);
      if (segment === '*') names.push('*');
      else if (segment.startsWith(':')) names.push(segment.slice(1));
      node = node.child(segment);
    }
    node.leaf ??= { names, stored: make() };
    if (names.join() !== node.leaf.names.join())
      throw new Error(`${path} is the path of another route, with the parameters ${node.leaf.names.join()}`);
    return node.leaf.stored;
  }

  /**
   * @param path without a query. The target of a request may be no path: `OPTIONS *`
   * @returns `null` for an unknown path, and for one with a parameter that is no UTF-8 text
   */
  find(path: string): PathMatch<Stored> | null {
    if (!path.startsWith('/')) return null;
    const values: string[] = [];
    const leaf = search(this.#root, path, 1, values);
    if (leaf === undefined) return null;
    const params: Record<string, string> = {};
    for (const [index, name] of leaf.names.entries()) {
      const value = decoded(values[index] as string);
      if (value === undefined) return null;
      params[name] = value;
    }
    return { stored: leaf.stored, params };
  }
}

interface Leaf<Stored> {
  readonly names: readonly string[];
  readonly stored: Stored;
}

class Node<Stored> {
  readonly words = new Map<string, Node<Stored>>();
  parameter: Node<Stored> | undefined;
  rest: Node<Stored> | undefined;
  leaf: Leaf<Stored> | undefined;

  /** The node of a segment. It is made if it does not exist. */
  child(segment: string): Node<Stored> {
    if (segment === '*') return (this.rest ??= new Node());
    if (segment.startsWith(':')) return (this.parameter ??= new Node());
    let node = this.words.get(segment);
    if (node === undefined) this.words.set(segment, (node = new Node()));
    return node;
  }
}

/**
 * Searches below a node. A search that fails goes back at most once for each node of the tree that
 * the path has passed, so no path takes long.
 * @param start where the next segment begins; behind the path if there is none
 * @param values receives the text of each parameter
 */
function search<Stored>(node: Node<Stored>, path: string, start: number, values: string[]): Leaf<Stored> | undefined {
  if (start > path.length) return node.leaf;
  const slash = path.indexOf('/', start);
  const end = slash < 0 ? path.length : slash;
  const segment = path.slice(start, end);
  const word = node.words.get(segment);
  const byWord = word === undefined ? undefined : search(word, path, end + 1, values);
  if (byWord !== undefined) return byWord;
  if (node.parameter !== undefined) {
    values.push(segment);
    const byParameter = search(node.parameter, path, end + 1, values);
    if (byParameter !== undefined) return byParameter;
    values.pop();
  }
  if (node.rest !== undefined) values.push(path.slice(start));
  return node.rest?.leaf;
}

function decoded(text: string): string | undefined {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
