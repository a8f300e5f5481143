import { PolycastError } from '@polycast/protocol';
import { isHubChannel } from '../access/system-channels.ts';

/**
 * A type of event that a site publishes, as its operator describes it (PROTOCOL.md section 14.9).
 */
export interface EventType {
  /** The value of `type` in events of this type. */
  readonly name: string;
  readonly description: string;
  /** The channels and patterns that these events are published to. */
  readonly channels: readonly string[];
  /** JSON Schema of the data. `undefined`: any data. */
  readonly schema: unknown;
  /** Example data as JSON text. `undefined` when there is none. */
  readonly sample: string | undefined;
}

/**
 * The check of published events against the catalogue. `none`: no check. `schema`: a type with a
 * schema checks the data. `known`: as `schema`, and the type must be in the catalogue.
 */
export type EventTypeCheck = 'none' | 'schema' | 'known';

/** The first violation of a value, or `undefined`. */
export type SchemaCheck = (value: unknown) => SchemaViolation | undefined;

export interface SchemaViolation {
  /** The place in the value as a JSON pointer. `undefined` when it is not known. */
  readonly pointer: string | undefined;
  /** The problem in words, with its place. */
  readonly message: string;
}

/** The catalogue of event types. */
export class EventTypes {
  readonly #types: ReadonlyMap<string, EventType>;
  readonly #checks: ReadonlyMap<string, SchemaCheck>;

  /** @param checks by the name of the type, for types with a schema */
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
   * The error `event_invalid` for an event that may not be published, or `undefined`.
   * @param content the event's members from `datacontenttype` on, as JSON text
   */
  refusal(mode: EventTypeCheck, channel: string, type: string | undefined, content: string): PolycastError | undefined {
    if (mode === 'none' || isHubChannel(channel)) return undefined;
    if (type === undefined || !this.#types.has(type)) {
      if (mode === 'schema') return undefined;
      return type === undefined
        ? new PolycastError('event_invalid', `Events of ${channel} must have a type.`)
        : new PolycastError('event_invalid', 'The event type does not exist.');
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

const BINARY_DATA: SchemaViolation = { pointer: undefined, message: 'The data is binary, and its schema is for JSON' };
