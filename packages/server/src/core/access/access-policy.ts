import { BoundedCache } from '../primitives/bounded-cache.ts';
import { relationOf, userTokenIn } from './pattern-relation.ts';
import { PRESENCE_PREFIX } from '../presence/presence-events.ts';
import { SYSTEM_PREFIX } from './system-channels.ts';
import { isPrivateChannelOf, PRIVATE_CHANNELS, userToken } from './private-channel.ts';
import { ANONYMOUS, type Action, type Principal, type Scope } from './principal.ts';
import { RuleIndex } from './rule-index.ts';

/**
 * The clients to which a rule grants an action. `anyone`: every client. `users`: every user that
 * the site knows. `owner`: the user whose token is in the channel where the rule's pattern has
 * `{user}`. A claim: users with this claim. `server`: only a server with a key. `site`: the hub
 * asks the site.
 * Example: `{"pattern":"inbox.{user}","subscribe":["owner"]}` lets the user `ada` subscribe to
 * `inbox.ada`.
 */
export type Grantee = 'anyone' | 'users' | 'owner' | 'server' | 'site' | ClaimGrantee;

export interface ClaimGrantee {
  readonly claim: string;
  /** The value of the claim. If the claim is a list, it must contain this value. */
  readonly value: string | number | boolean;
}

/**
 * For each action a list of grantees, any of which is sufficient. An action that a rule does not
 * name is left to the next rule.
 */
export type AccessRule = { readonly pattern: string } & AccessDefaults;
export type AccessDefaults = { readonly [Kind in Action]?: readonly Grantee[] | undefined };

export type AccessDecision =
  | { readonly kind: 'yes'; readonly by: string }
  | { readonly kind: 'no'; readonly by: string; readonly needs: string }
  /** The hub must ask the site, for each pattern of the request. */
  | { readonly kind: 'ask'; readonly by: string };

/**
 * Decides by the rules which client may do which action. The target is the channel or the pattern
 * that a client asks for. The first rule that covers the target and names the action decides. For a
 * target with wildcards, every earlier rule that covers a part of it must allow it too.
 * A rule with `subscribe` and without `history` grants `history` to the same clients. Where neither
 * a rule nor the defaults name `presence`, no user has it.
 */
export class AccessPolicy {
  #rules: Readonly<Record<Action, RuleIndex<CompiledRule>>>;
  #defaults: AccessDefaults;
  /** The grantees of all rules and of the defaults. */
  #grantees: Readonly<Record<Action, readonly Grantee[]>>;
  /**
   * Decisions for anonymous clients: most decisions of a public page, and the first step of all
   * others.
   */
  #anyoneDecisions: Readonly<Record<Action, BoundedCache<AccessDecision>>>;
  /** Comparisons of rules with targets so far. */
  comparisons = 0;

  constructor(rules: readonly AccessRule[], defaults: AccessDefaults) {
    this.#rules = indexRules(rules);
    this.#defaults = defaults;
    this.#grantees = collectGrantees(rules, defaults);
    this.#anyoneDecisions = createDecisionCaches();
  }

  /**
   * Replaces all rules. The next decision obeys the new ones. Live sessions must be checked again.
   */
  replace(rules: readonly AccessRule[], defaults: AccessDefaults): void {
    this.#rules = indexRules(rules);
    this.#defaults = defaults;
    this.#grantees = collectGrantees(rules, defaults);
    this.#anyoneDecisions = createDecisionCaches();
  }

  /**
   * Whether there is a channel for which the decision may be other than no. For checks before the
   * channel is known.
   */
  mightAllow(principal: Principal, action: Action): boolean {
    if ((principal.grants[scopeOf(action)] ?? []).length > 0) return true;
    return (
      principal.kind !== 'server' && this.#grantees[action].some((grantee) => mightMatchGrantee(principal, grantee))
    );
  }

  decide(principal: Principal, action: Action, target: string): AccessDecision {
    const { kind, user } = principal;
    if (user !== undefined && action !== 'publish' && isPrivateChannelOf(user, target))
      return allow('the private channel');
    const isReserved = relationOf(SYSTEM_CHANNELS, target) !== 'disjoint';
    if (isReserved && action === 'publish' && relationOf(PRIVATE_CHANNELS, target) !== 'covers')
      return deny('the system channels', 'the hub itself');
    if (isGranted(principal, action, target, isReserved)) return allow(kind === 'server' ? 'the key' : 'the token');
    const isReading = action === 'subscribe' || action === 'history';
    const presenceDecision = isReserved && isReading ? this.#presenceDecision(principal, target) : undefined;
    if (presenceDecision?.kind === 'no' || (presenceDecision !== undefined && target.startsWith(PRESENCE_PREFIX)))
      return presenceDecision;
    if (kind === 'server') return deny('the key', `the scope ${scopeOf(action)} for ${target}`);
    const decision = this.#decideByRules(principal, action, target, isReserved);
    return decision.kind === 'yes' && presenceDecision !== undefined ? presenceDecision : decision;
  }

  /**
   * The decision about the presence events that this target includes; `undefined` when it includes
   * none. A target with more than presence events, such as `polycast.>`, needs this decision as
   * well.
   */
  #presenceDecision(principal: Principal, target: string): AccessDecision | undefined {
    if (relationOf(PRESENCE_CHANNELS, target) === 'disjoint') return undefined;
    const [first, second, ...channel] = target.split('.');
    return this.decide(principal, 'presence', first === '>' || second === '>' ? '>' : channel.join('.'));
  }

  /** Only rules whose pattern begins with `polycast.` can grant a reserved target. */
  #decideByRules(principal: Principal, action: Action, target: string, isReserved: boolean): AccessDecision {
    const cache = this.#anyoneDecisions[action];
    let anyoneDecision = cache.get(target);
    if (anyoneDecision === undefined)
      cache.set(target, (anyoneDecision = this.#evaluateRules(ANONYMOUS, action, target, isReserved)));
    // An action that anyone may do is allowed for every principal.
    if (anyoneDecision.kind === 'yes' || principal === ANONYMOUS) return anyoneDecision;
    return this.#evaluateRules(principal, action, target, isReserved);
  }

  #evaluateRules(principal: Principal, action: Action, target: string, isReserved: boolean): AccessDecision {
    let siteDecision: AccessDecision | undefined;
    for (const { pattern, grantees, by } of this.#rules[action].candidatesFor(target)) {
      if (isReserved && !pattern.startsWith(SYSTEM_PREFIX)) continue;
      this.comparisons++;
      const relation = relationOf(pattern, target);
      if (relation === 'disjoint') continue;
      const decision = evaluateGrantees(principal, grantees, by, pattern, target);
      if (decision.kind === 'no') return decision;
      if (decision.kind === 'ask') siteDecision = decision;
      if (relation === 'covers') return siteDecision ?? decision;
    }
    const byDefault = (isReserved ? undefined : granteesOf(this.#defaults, action)) ?? SERVER_ONLY;
    const decision = evaluateGrantees(
      principal,
      byDefault,
      isReserved ? 'the system channels' : 'the defaults',
      '>',
      target,
    );
    return decision.kind === 'yes' && siteDecision !== undefined ? siteDecision : decision;
  }
}

/** A rule, reduced to one action. */
interface CompiledRule {
  readonly pattern: string;
  readonly grantees: readonly Grantee[];
  /** The name of the rule in decisions. */
  readonly by: string;
}

function indexRules(rules: readonly AccessRule[]): Record<Action, RuleIndex<CompiledRule>> {
  return forEachAction((action) => new RuleIndex(compileRules(rules, action)));
}

function collectGrantees(rules: readonly AccessRule[], defaults: AccessDefaults): Record<Action, readonly Grantee[]> {
  return forEachAction((action) => [
    ...new Set([...rules, defaults].flatMap((rule) => granteesOf(rule, action) ?? [])),
  ]);
}

function createDecisionCaches(): Record<Action, BoundedCache<AccessDecision>> {
  return forEachAction(() => new BoundedCache(DECISIONS_BYTES_MAX, () => DECISION_BYTES));
}

function compileRules(rules: readonly AccessRule[], action: Action): CompiledRule[] {
  return rules.flatMap((rule, index) => {
    const grantees = granteesOf(rule, action);
    return grantees === undefined
      ? []
      : [{ pattern: rule.pattern, grantees, by: `rule ${index + 1} (${rule.pattern})` }];
  });
}

function forEachAction<Value>(make: (action: Action) => Value): Record<Action, Value> {
  return {
    subscribe: make('subscribe'),
    publish: make('publish'),
    history: make('history'),
    presence: make('presence'),
  };
}

/** Bytes for each action: some 8,000 channels. */
const DECISIONS_BYTES_MAX = 2 * 1024 * 1024;
/** Memory of a decision with its `needs`. The text of `by` is shared with the rule. */
const DECISION_BYTES = 120;

const SYSTEM_CHANNELS = 'polycast.>';
const PRESENCE_CHANNELS = PRESENCE_PREFIX + '>';
const SERVER_ONLY: readonly Grantee[] = ['server'];

function granteesOf(rule: AccessDefaults, action: Action): readonly Grantee[] | undefined {
  return rule[action] ?? (action === 'history' ? rule.subscribe : undefined);
}

function evaluateGrantees(
  principal: Principal,
  grantees: readonly Grantee[],
  by: string,
  pattern: string,
  target: string,
): AccessDecision {
  if (grantees.some((grantee) => matchesGrantee(principal, grantee, pattern, target))) return allow(by);
  if (grantees.includes('site')) return { kind: 'ask', by };
  return deny(by, grantees.map(describeGrantee).join(' or '));
}

function matchesGrantee({ kind, user, claims }: Principal, grantee: Grantee, pattern: string, target: string): boolean {
  switch (grantee) {
    case 'anyone':
      return true;
    case 'users':
      return kind === 'user';
    case 'owner':
      return user !== undefined && userTokenIn(pattern, target) === userToken(user);
    case 'server':
    case 'site':
      return false;
  }
  const value = Object.hasOwn(claims, grantee.claim) ? claims[grantee.claim] : undefined;
  return Array.isArray(value) ? value.includes(grantee.value) : value === grantee.value;
}

/** Whether the grantee matches for any channel. */
function mightMatchGrantee(principal: Principal, grantee: Grantee): boolean {
  if (grantee === 'owner' || grantee === 'site') return principal.user !== undefined;
  return matchesGrantee(principal, grantee, '>', '>');
}

function describeGrantee(grantee: Grantee): string {
  switch (grantee) {
    case 'anyone':
      return 'anyone';
    case 'users':
      return 'a user';
    case 'owner':
      return 'the user named in the channel';
    case 'server':
      return 'a server with a key';
    case 'site':
      return "the site's consent";
  }
  return `a user with the claim ${grantee.claim} = ${JSON.stringify(grantee.value)}`;
}

/**
 * Whether the credentials themselves allow the action. A user's pattern grants a reserved target,
 * such as another user's private channel, only if it begins with `polycast.`.
 */
function isGranted({ kind, grants }: Principal, action: Action, target: string, isReserved: boolean): boolean {
  const patterns = grants[scopeOf(action)] ?? [];
  const requiresSystemPattern = isReserved && kind !== 'server';
  return patterns.some(
    (pattern) =>
      (!requiresSystemPattern || pattern.startsWith(SYSTEM_PREFIX)) && relationOf(pattern, target) === 'covers',
  );
}

function scopeOf(action: Action): Scope {
  return action === 'publish' ? 'publish' : 'subscribe';
}

function allow(by: string): AccessDecision {
  return { kind: 'yes', by };
}

function deny(by: string, needs: string): AccessDecision {
  return { kind: 'no', by, needs };
}
