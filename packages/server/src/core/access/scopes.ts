import { isPattern } from '@polycast/protocol';
import type { Grants, Scope } from './principal.ts';

/**
 * All scopes. `publish`, `subscribe` and `subscriptions` take patterns. `users` and `admin` take
 * `>` alone.
 */
export const SCOPES: readonly Scope[] = ['publish', 'subscribe', 'subscriptions', 'users', 'admin'];

/** Every scope, for all channels. */
export const ALL_SCOPES: Grants = {
  publish: ['>'],
  subscribe: ['>'],
  subscriptions: ['>'],
  users: ['>'],
  admin: ['>'],
};

/** Most patterns of one scope. */
export const SCOPE_PATTERNS_MAX = 100;

/**
 * Describes the first problem of scopes that come from outside. Returns `undefined` when there is
 * none.
 */
export function scopesProblem(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return 'must be an object: {"publish": ["orders.>"]}';
  const entries = Object.entries(value);
  if (entries.length === 0) return `must name one of ${SCOPES.join(', ')}`;
  for (const [scope, patterns] of entries) {
    if (!(SCOPES as readonly string[]).includes(scope))
      return `"${scope.slice(0, 64)}" is not one of ${SCOPES.join(', ')}`;
    if (!Array.isArray(patterns) || patterns.length === 0 || patterns.length > SCOPE_PATTERNS_MAX)
      return `${scope} must be a list of 1 to ${SCOPE_PATTERNS_MAX} patterns`;
    if (patterns.some((pattern) => typeof pattern !== 'string' || !isPattern(pattern)))
      return `${scope} must contain channels and patterns only`;
    if ((scope === 'users' || scope === 'admin') && (patterns.length !== 1 || patterns[0] !== '>'))
      return `${scope} must be [">"], because it applies to the whole hub`;
  }
  return undefined;
}

/**
 * Formats scopes as text: `publish:orders.>`. A scope without a pattern covers everything: `admin`.
 */
export function scopeTexts(scopes: Grants): string[] {
  return SCOPES.flatMap((scope) =>
    (scopes[scope] ?? []).map((pattern) => (pattern === '>' ? scope : `${scope}:${pattern}`)),
  );
}
