import { isHubChannel } from './access/system-channels.ts';
import { privateChannel } from './access/private-channel.ts';
import type { Position } from './ports.ts';
import type { Actor } from './audit.ts';

/** What can be erased: one event, all events of a channel, or all data of a user. */
export const ERASURE_KINDS = ['event', 'channel', 'user'] as const;
export type ErasureKind = (typeof ERASURE_KINDS)[number];

/**
 * An erasure: a stored request to erase events permanently, until it is finished.
 *
 * Example: `{"id":"era_…","kind":"user","name":"ann","through":90,…}` erases the private channel of
 * `ann`, and her events in other channels, up to position 90.
 */
export interface Erasure {
  /** `era_` and random characters. */
  readonly id: string;
  readonly kind: ErasureKind;
  /** The id of an event, a channel, or a user. */
  readonly name: string;
  /** The log that the positions are of. */
  readonly epoch: string;
  /** Events after `after`, up to and including `through`, are examined. Later events stay. */
  readonly after: Position;
  readonly through: Position;
  readonly requestedMs: number;
  readonly by: Actor;
}

/** Events of the present log that are erased together. */
export interface ErasedEvents {
  readonly positions: readonly Position[];
  /** The channels of these events. */
  readonly channels: ReadonlySet<string>;
}

/** The names that an erasure removes, for stores that hold other texts. */
export interface ErasedNames {
  /** Names of channels. */
  readonly channels: readonly string[];
  /** Texts in the form that they have inside a JSON string, or as a whole JSON string. */
  readonly texts: readonly string[];
  readonly user: string | undefined;
}

/** The members of an event that an erasure looks at. */
export interface ErasableEvent {
  readonly user?: unknown;
  readonly data?: unknown;
}

/** The channels to search; `>` searches all. */
export function searchedPattern({ kind, name }: Pick<Erasure, 'kind' | 'name'>): string {
  return kind === 'channel' ? name : '>';
}

/**
 * Whether an event is data of a user. It is if it is on the user's private channel, if the user
 * published it, or if the hub published it about the user.
 * @param event parses the event; called only if the channel does not decide
 */
export function isDataOfUser(user: string, channel: string, event: () => ErasableEvent): boolean {
  if (channel === privateChannel(user)) return true;
  const { user: author, data } = event();
  if (author === user) return true;
  return isHubChannel(channel) && (data as { readonly user?: unknown } | null | undefined)?.user === user;
}

/** The names that go with an erasure. An event alone has none. */
export function namesOf({ kind, name }: Pick<Erasure, 'kind' | 'name'>): ErasedNames {
  if (kind === 'event') return { channels: [], texts: [], user: undefined };
  const channel = kind === 'user' ? privateChannel(name) : name;
  const texts = [JSON.stringify(channel), inString(`"channel":${JSON.stringify(channel)}`)];
  if (kind === 'channel') return { channels: [channel], texts, user: undefined };
  return { channels: [channel], texts: [...texts, inString(`"user":${JSON.stringify(name)}`)], user: name };
}

/** A text as it is inside a JSON string. */
function inString(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}
