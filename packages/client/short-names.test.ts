import { expect, test } from 'vitest';
import type {
  ClientMessage,
  CloseCodeInfo,
  Gap,
  PollResponse,
  PolycastEvent,
  ServerMessage,
  SseFrame,
  SseParser,
  SseParserOptions,
} from '@polycast/protocol';
import type { CursorStore } from './src/connection/cursor-store.ts';
import type { Driver, DriverOptions, OpenAttempt } from './src/connection/driver.ts';
import type { Connection, ConnectionEvents, StateChange } from './src/connection/interface.ts';
import type { ConnectOptions, Settings, TabSession } from './src/connection/options.ts';
import type { Published, PublisherOptions, PublishOptions } from './src/connection/publish.ts';
import type {
  ConsumerQueue,
  ConsumerQueueOptions,
  SubscribeOptions,
  Subscription,
} from './src/connection/subscription.ts';
import type { EndedError, PollOptions, PollParameters, RequestContext, TokenReason, Tokens } from './src/http.ts';
import type {
  Attempt,
  Draft,
  Effect,
  Ending,
  Input,
  InputKind,
  Phase,
  SubscriptionMode,
  SubscriptionState,
  Successor,
} from './src/machine/state.ts';
import type { TransportSignal } from './src/transports/transport.ts';
import { MEMBERS, SHORT_MEMBERS, SHORT_TEXTS, TEXTS } from './short-names.ts';

test('no object has two members with one letter, and no type two texts', () => {
  const members = MEMBERS satisfies Checked<typeof MEMBERS, MembersOf<Objects>>;
  const texts = TEXTS satisfies Checked<typeof TEXTS, TextsOf>;
  for (const list of Object.values(members)) expect(new Set(shortOf(list, SHORT_MEMBERS)).size).toBe(list.length);
  for (const list of Object.values(texts)) expect(new Set(shortOf(list, SHORT_TEXTS)).size).toBe(list.length);
  // They are also the members of the machine's table.
  expect(shortOf(TEXTS.input, SHORT_MEMBERS)).toEqual(shortOf(TEXTS.input, SHORT_TEXTS));
});

function shortOf(list: readonly string[], short: Readonly<Record<string, string>>): (string | undefined)[] {
  return list.map((name) => short[name]);
}

/** The client's own objects, by the list of their members. */
interface Objects {
  readonly message: Input | Effect | Ending | TransportSignal;
  readonly draft: Draft;
  readonly phase: Phase | Attempt | Successor;
  /** It begins as the input `subscribe`. */
  readonly subscription: SubscriptionState | Extract<Input, { readonly kind: 'subscribe' }>;
  readonly settings: Settings;
  readonly driverOptions: DriverOptions;
  readonly driver: Driver;
  readonly openAttempt: OpenAttempt;
  readonly publisherOptions: PublisherOptions;
  readonly consumerQueue: ConsumerQueue;
  readonly consumerQueueOptions: ConsumerQueueOptions;
  readonly hub: RequestContext;
  readonly endedError: Omit<EndedError, keyof Error>;
  readonly tokens: Tokens;
  readonly pollOptions: PollOptions;
  readonly cursorStore: CursorStore;
  readonly frame: SseFrame;
  readonly parser: SseParser;
  readonly parserOptions: SseParserOptions;
}

interface TextsOf {
  readonly input: Exclude<InputKind | TransportSignal['kind'], ServerMessage['op']>;
  readonly effect: Effect['kind'];
  readonly ending: Exclude<Ending['kind'], TokenReason>;
  readonly mode: SubscriptionMode;
  readonly afterClose: CloseCodeInfo['clientAction'];
}

type MembersOf<Objects> = {
  readonly [Name in keyof Objects]: Exclude<MemberOf<Objects[Name]>, MemberOf<OnTheWire | OfApplications>>;
};
type MemberOf<Value> = Value extends unknown ? keyof Value : never;

type OnTheWire = ClientMessage | ServerMessage | PolycastEvent | PollResponse | Gap | PollParameters;
type OfApplications =
  | Connection
  | ConnectionEvents[keyof ConnectionEvents]
  | ConnectOptions
  | Published
  | PublishOptions
  | StateChange
  | SubscribeOptions
  | Subscription
  | TabSession;

/**
 * Does not compile when a list has a name that its type lacks. The same when the type has a name
 * that another list shortens and its own does not: two members of an object could become one.
 */
type Checked<Lists extends Record<keyof Names, readonly string[]>, Names> = {
  readonly [Name in keyof Names]: [
    Exclude<Extract<Names[Name], Lists[keyof Names][number]>, Lists[Name][number]>,
  ] extends [never]
    ? readonly Names[Name][]
    : { readonly missing: Exclude<Extract<Names[Name], Lists[keyof Names][number]>, Lists[Name][number]> };
};
