import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PathTree } from './path-tree.ts';

const PATHS = [
  '/',
  '/metrics',
  '/lab',
  '/lab/*',
  '/v1/users',
  '/v1/users/:user',
  '/v1/users/events',
  '/v1/users/:user/data',
  '/v1/users/:user/*',
  '/v1/channels/:channel/events',
  '/v1/channels/:name/events/:id',
  '/users/events/:id/data',
  '/users/:user/*',
];

function treeOf(paths: readonly string[]): PathTree<string> {
  const tree = new PathTree<string>();
  for (const path of paths) tree.at(path, () => path);
  return tree;
}

const FOUND: readonly (readonly [string, string, Readonly<Record<string, string>>])[] = [
  ['/', '/', {}],
  ['/metrics', '/metrics', {}],
  ['/lab', '/lab', {}],
  ['/lab/', '/lab/*', { '*': '' }],
  ['/lab/a/b%20c', '/lab/*', { '*': 'a/b c' }],
  ['/v1/users/ann', '/v1/users/:user', { user: 'ann' }],
  ['/v1/users/', '/v1/users/:user', { user: '' }],
  ['/v1/users/events', '/v1/users/events', {}],
  ['/v1/users/a%2Fb', '/v1/users/:user', { user: 'a/b' }],
  ['/v1/users/__proto__', '/v1/users/:user', { user: '__proto__' }],
  // The word `events` leads nowhere, so it is the parameter after all.
  ['/v1/users/events/data', '/v1/users/:user/data', { user: 'events' }],
  ['/v1/users/events/x/y', '/v1/users/:user/*', { user: 'events', '*': 'x/y' }],
  // Two words and a parameter lead nowhere. The value of that parameter is forgotten.
  ['/users/events/x/lab', '/users/:user/*', { user: 'events', '*': 'x/lab' }],
  ['/v1/channels/a/events', '/v1/channels/:channel/events', { channel: 'a' }],
  ['/v1/channels/a/events/7', '/v1/channels/:name/events/:id', { name: 'a', id: '7' }],
];

test.each(FOUND)('%s is found as %s', (path, stored, params) => {
  expect(treeOf(PATHS).find(path)).toEqual({ stored, params });
});

test.each([
  '',
  '*',
  'metrics',
  '/metrics/',
  '//',
  '/v1',
  '/v1/channels/a',
  '/Metrics',
  '/v1/channels/a/events/7/8',
  '/v1//users',
])('%s is not found', (path) => {
  expect(treeOf(PATHS).find(path)).toBeNull();
});

test('a parameter that is no UTF-8 text is not found', () => {
  for (const text of ['%', '%zz', '%E0%A4'])
    for (const path of [`/v1/users/${text}`, `/lab/${text}`]) expect(treeOf(PATHS).find(path)).toBeNull();
});

const segment = fc.constantFrom('v1', 'users', 'events', 'data', 'lab', 'channels', 'x', '', ':user', '*');

test('a path is stored once', () => {
  const tree = treeOf(PATHS);
  expect(tree.at('/v1/users/:user', () => 'another')).toBe('/v1/users/:user');
});

test('paths that cannot be told apart are refused, and a rest that is not at the end', () => {
  const tree = treeOf(PATHS);
  expect(() => tree.at('/v1/users/:name', () => '')).toThrow('the parameters user');
  expect(() => tree.at('/v1/users/:user/:rest/x', () => '')).not.toThrow();
  expect(() => tree.at('/docs/*/x', () => '')).toThrow('nothing follows it');
});

test('finds what a comparison with all paths finds', () => {
  const tree = treeOf(PATHS);
  fc.assert(
    fc.property(fc.array(segment, { minLength: 1, maxLength: 6 }), (segments) => {
      const path = `/${segments.join('/')}`;
      const stored = bestOf(PATHS.filter((template) => fits(template, path)));
      expect(tree.find(path)).toEqual(stored === undefined ? null : { stored, params: paramsOf(stored, path) });
    }),
    { numRuns: 20_000 },
  );
});

function fits(template: string, path: string): boolean {
  return new RegExp(`^${template.replaceAll('*', '.*').replaceAll(/:\w+/g, '[^/]*')}$`).test(path);
}

function paramsOf(template: string, path: string): Readonly<Record<string, string>> {
  const given = path.split('/');
  const pairs = template.split('/').flatMap((part, index): [string, string][] => {
    if (part === '*') return [['*', given.slice(index).join('/')]];
    return part.startsWith(':') ? [[part.slice(1), given[index] ?? '']] : [];
  });
  return Object.fromEntries(pairs);
}

/** Where two paths first differ, a word is better than a parameter, and a parameter than `*`. */
function bestOf(templates: readonly string[]): string | undefined {
  const forms = (template: string): string => template.replaceAll(/[^/]+/g, formOf);
  return templates.toSorted((one, other) => (forms(one) < forms(other) ? -1 : 1))[0];
}

function formOf(part: string): string {
  if (part === '*') return '3';
  return part.startsWith(':') ? '2' : '1';
}
