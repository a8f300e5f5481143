import { Memo } from './memo.ts';
import { relationOf, userTokenIn } from './pattern-relation.ts';
import { PRESENCE_PREFIX } from './presence-channel.ts';
import { SYSTEM_PREFIX } from './hub-channels.ts';
import { privateChannel, PRIVATE_CHANNELS, userToken } from './private-channel.ts';
import { ANONYMOUS, type Action, type Principal, type Scope } from './principal.ts';
import { RuleIndex } from './rule-index.ts';

/**
 * To whom a rule grants something. `anyone`: everybody. `users`: whoever the site knows. `owner`: the user whose token stands where
 * the rule's pattern has `{user}`. A claim: users of whom the site says so. `server`: nobody but a server with a key. `site`: the
 * site is asked.
 */
export type Grantee = 'anyone' | 'users' | 'owner' | 'server' | 'site' | ClaimGrantee;

export interface ClaimGrantee {
  readonly claim: string;
  /** What the claim must be, or, if it is a list, hold. */
  readonly value: string | number | boolean;
}

/** For each action, any of these grantees. An action that a rule does not name is left to the next one. */
export type AccessRule = { readonly pattern: string } & AccessDefaults;
export type AccessDefaults = { readonly [Kind in Action]?: readonly Grantee[] | undefined };

export type AccessAnswer =
  | { readonly kind: 'yes'; readonly by: string }
  | { readonly kind: 'no'; readonly by: string; readonly needs: string }
  /** The site has to be asked, for each pattern of the wish. */
  | { readonly kind: 'ask'; readonly by: string };

/**
 * Who may do what, by the rules. For each action the first rule that covers the wish and names the action decides. A wish with
 * wildcards must be allowed by every rule on the way that covers a part of it. `history`, where no rule names it,
 * is allowed to those who may subscribe; `presence` to nobody.
 */
export class Access {
  readonly #rules: Readonly<Record<Action, RuleIndex<Compiled>>>;
  readonly #defaults: AccessDefaults;
  /** Of any rule, and of the defaults. */
  readonly #grantees: Readonly<Record<Action, readonly Grantee[]>>;
  /** What the rules let nobody in particular do: most decisions of a public page, and asked before anybody is known. */
  readonly #forAnyone: Readonly<Record<Action, Memo<AccessAnswer>>>;
  /** Rules that wishes have been compared with so far. */
  comparisons = 0;

  constructor(rules: readonly AccessRule[], defaults: AccessDefaults) {
    this.#rules = forEachAction((action) => new RuleIndex(compile(rules, action)));
    this.#defaults = defaults;
    this.#grantees = forEachAction((action) => [
      ...new Set([...rules, defaults].flatMap((rule) => granteesOf(rule, action) ?? [])),
    ]);
    this.#forAnyone = forEachAction(() => new Memo(ANSWERS_BYTES_MAX, () => ANSWER_BYTES));
  }

  /** Whether there is any channel of which the answer may be other than no: to be asked before it is known which is meant. */
  mayEver(principal: Principal, action: Action): boolean {
    if ((principal.grants[scopeOf(action)] ?? []).length > 0) return true;
    return principal.kind !== 'server' && this.#grantees[action].some((grantee) => mayHold(principal, grantee));
  }

  decide(principal: Principal, action: Action, wish: string): AccessAnswer {
    const { kind, user } = principal;
    if (user !== undefined && wish === privateChannel(user) && action !== 'publish') return yes('the private channel');
    const isReserved = relationOf(SYSTEM_CHANNELS, wish) !== 'disjoint';
    if (isReserved && action === 'publish' && relationOf(PRIVATE_CHANNELS, wish) !== 'covers')
      return no('the system channels', 'the hub itself');
    if (isGranted(principal, action, wish, isReserved)) return yes(kind === 'server' ? 'the key' : 'the token');
    const isReading = action === 'subscribe' || action === 'history';
    const presence = isReserved && isReading ? this.#ofPresence(principal, wish) : undefined;
    if (presence?.kind === 'no' || (presence !== undefined && wish.startsWith(PRESENCE_PREFIX))) return presence;
    if (kind === 'server') return no('the key', `the scope ${scopeOf(action)} for ${wish}`);
    const answer = this.#byRules(principal, action, wish, isReserved);
    return answer.kind === 'yes' && presence !== undefined ? presence : answer;
  }

  /**
   * What is decided of the presence that somebody would hear of with this wish; `undefined` for none. A wish that means more than it,
   * such as `polycast.>`, takes that as well.
   */
  #ofPresence(principal: Principal, wish: string): AccessAnswer | undefined {
    if (relationOf(PRESENCE_CHANNELS, wish) === 'disjoint') return undefined;
    const [first, second, ...channel] = wish.split('.');
    return this.decide(principal, 'presence', first === '>' || second === '>' ? '>' : channel.join('.'));
  }

  /** What is reserved is granted only by rules that name it. */
  #byRules(principal: Principal, action: Action, wish: string, isReserved: boolean): AccessAnswer {
    const memo = this.#forAnyone[action];
    let forAnyone = memo.get(wish);
    if (forAnyone === undefined) memo.set(wish, (forAnyone = this.#judge(ANONYMOUS, action, wish, isReserved)));
    // Whatever anyone may, everybody may who is asked about here.
    if (forAnyone.kind === 'yes' || principal === ANONYMOUS) return forAnyone;
    return this.#judge(principal, action, wish, isReserved);
  }

  #judge(principal: Principal, action: Action, wish: string, isReserved: boolean): AccessAnswer {
    let ask: AccessAnswer | undefined;
    for (const { pattern, grantees, by } of this.#rules[action].of(wish)) {
      if (isReserved && !pattern.startsWith(SYSTEM_PREFIX)) continue;
      this.comparisons++;
      const relation = relationOf(pattern, wish);
      if (relation === 'disjoint') continue;
      const answer = judge(principal, grantees, by, pattern, wish);
      if (answer.kind === 'no') return answer;
      if (answer.kind === 'ask') ask = answer;
      if (relation === 'covers') return ask ?? answer;
    }
    const byDefault = (isReserved ? undefined : granteesOf(this.#defaults, action)) ?? SERVER_ONLY;
    const answer = judge(principal, byDefault, isReserved ? 'the system channels' : 'the defaults', '>', wish);
    return answer.kind === 'yes' && ask !== undefined ? ask : answer;
  }
}

/** A rule as far as it is about one action. */
interface Compiled {
  readonly pattern: string;
  readonly grantees: readonly Grantee[];
  /** What answers name it by. */
  readonly by: string;
}

function compile(rules: readonly AccessRule[], action: Action): Compiled[] {
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

/** For each action: some 8,000 channels. */
const ANSWERS_BYTES_MAX = 2 * 1024 * 1024;
/** An answer with what it says is needed; what it names the rule by is the rule's. */
const ANSWER_BYTES = 120;

const SYSTEM_CHANNELS = 'polycast.>';
const PRESENCE_CHANNELS = PRESENCE_PREFIX + '>';
const SERVER_ONLY: readonly Grantee[] = ['server'];

function granteesOf(rule: AccessDefaults, action: Action): readonly Grantee[] | undefined {
  return rule[action] ?? (action === 'history' ? rule.subscribe : undefined);
}

function judge(
  principal: Principal,
  grantees: readonly Grantee[],
  by: string,
  pattern: string,
  wish: string,
): AccessAnswer {
  if (grantees.some((grantee) => holds(principal, grantee, pattern, wish))) return yes(by);
  if (grantees.includes('site')) return { kind: 'ask', by };
  return no(by, grantees.map(nameOf).join(' or '));
}

function holds({ kind, user, claims }: Principal, grantee: Grantee, pattern: string, wish: string): boolean {
  switch (grantee) {
    case 'anyone':
      return true;
    case 'users':
      return kind === 'user';
    case 'owner':
      return user !== undefined && userTokenIn(pattern, wish) === userToken(user);
    case 'server':
    case 'site':
      return false;
  }
  const value = Object.hasOwn(claims, grantee.claim) ? claims[grantee.claim] : undefined;
  return Array.isArray(value) ? value.includes(grantee.value) : value === grantee.value;
}

/** Whether it holds of some channel. */
function mayHold(principal: Principal, grantee: Grantee): boolean {
  if (grantee === 'owner' || grantee === 'site') return principal.user !== undefined;
  return holds(principal, grantee, '>', '>');
}

function nameOf(grantee: Grantee): string {
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

/** What the credentials themselves allow. A user's `>` is not meant for what is reserved, others' private channels among it. */
function isGranted({ kind, grants }: Principal, action: Action, wish: string, isReserved: boolean): boolean {
  const patterns = grants[scopeOf(action)] ?? [];
  const mustName = isReserved && kind !== 'server';
  return patterns.some(
    (pattern) => (!mustName || pattern.startsWith(SYSTEM_PREFIX)) && relationOf(pattern, wish) === 'covers',
  );
}

function scopeOf(action: Action): Scope {
  return action === 'publish' ? 'publish' : 'subscribe';
}

function yes(by: string): AccessAnswer {
  return { kind: 'yes', by };
}

function no(by: string, needs: string): AccessAnswer {
  return { kind: 'no', by, needs };
}
