import { PolycastError } from '@polycast/protocol';
import { isHubChannel } from '../access/system-channels.ts';

/** A kind of event that a site publishes, as its operator describes it (PROTOCOL.md section 14.9). */
export interface EventType {
  /** What events of this kind have as their `type`. */
  readonly name: string;
  readonly description: string;
  /** Where they are published: channels and patterns. */
  readonly channels: readonly string[];
  /** JSON Schema of their data; `undefined`: anything. */
  readonly schema: unknown;
  /** Data such as theirs, JSON as text; `undefined` when there is none. */
  readonly sample: string | undefined;
}

/** Whether what is published is held against the catalogue: not at all; where its type has a schema; always, and its type must be there. */
export type EventTypeCheck = 'none' | 'schema' | 'known';

/** What is wrong with a value, or `undefined`. */
export type SchemaCheck = (value: unknown) => SchemaViolation | undefined;

export interface SchemaViolation {
  /** Where in the value, as a JSON pointer; `undefined` when that is not known. */
  readonly pointer: string | undefined;
  /** In words, with the place. */
  readonly message: string;
}

/** All kinds of events that this hub knows of. */
export class EventTypes {
  readonly #types: ReadonlyMap<string, EventType>;
  readonly #checks: ReadonlyMap<string, SchemaCheck>;

  /** @param checks by name, for the types that have a schema */
  constructor(types: readonly EventType[], checks: ReadonlyMap<string, SchemaCheck> = new Map()) {
    this.#types = new Map(types.map((type) => [type.name, type]));
    this.#checks = checks;
  }

  /** In the order in which they are configured. */
  get all(): readonly EventType[] {
    return [...this.#types.values()];
  }

  get(name: string): EventType | undefined {
    return this.#types.get(name);
  }

  /**
   * Why an event may not be published, `event_invalid`, or `undefined`.
   * @param content the event's members from `datacontenttype` on, as JSON text
   */
  refusal(mode: EventTypeCheck, channel: string, type: string | undefined, content: string): PolycastError | undefined {
    if (mode === 'none' || isHubChannel(channel)) return undefined;
    if (type === undefined || !this.#types.has(type)) {
      if (mode === 'schema') return undefined;
      return type === undefined
        ? new PolycastError('event_invalid', `Events of ${channel} must say their type.`)
        : new PolycastError('event_invalid', 'There is no such type of event.');
    }
    const check = this.#checks.get(type);
    if (check === undefined) return undefined;
    const { data } = JSON.parse(`{${content}}`) as { readonly data?: unknown };
    const violation = data === undefined ? BINARY_DATA : check(data);
    if (violation === undefined) return undefined;
    const { pointer: at, message: what } = violation;
    return new PolycastError('event_invalid', `${what}.`, at === undefined ? {} : { at });
  }
}

const BINARY_DATA: SchemaViolation = { pointer: undefined, message: 'The data is bytes, and its schema is for JSON' };
