import { JSON_DEPTH_MAX, JsonScanner } from '@polycast/protocol';

/** An event as it arrived: its JSON character for character, and its members. */
export interface RawEvent {
  readonly json: string;
  readonly id: string;
  readonly channel: string;
  /** The text of its `data`; empty without one. */
  readonly data: string | undefined;
}

/** Reads an event's JSON without parsing its values: numbers stay unchanged. */
export function rawEvent(json: string): RawEvent {
  const members = membersOf(json);
  const text = (name: string): string => JSON.parse(members.get(name) ?? '""') as string;
  return { json, id: text('id'), channel: text('channel'), data: members.get('data') };
}

/** The events of a poll's answer, or of a page of history, as texts. */
export function eventsOf(answer: string): readonly RawEvent[] {
  const events = membersOf(answer).get('events');
  if (events === undefined) throw new Error(`No events: ${answer.slice(0, 200)}`);
  return elementsOf(events).map(rawEvent);
}

/** The members of a JSON object as texts, by name. */
export function membersOf(json: string): ReadonlyMap<string, string> {
  const members = new Map<string, string>();
  const scanner = new JsonScanner(JSON_DEPTH_MAX + 3);
  scanner.reset(json);
  if (!scanner.consume(123)) throw new Error(`No object: ${json.slice(0, 200)}`);
  if (scanner.consume(125)) return members;
  do {
    const name = JSON.parse(valueAt(scanner)) as string;
    scanner.consume(58);
    members.set(name, valueAt(scanner));
  } while (scanner.consume(44));
  return members;
}

function elementsOf(json: string): readonly string[] {
  const elements: string[] = [];
  const scanner = new JsonScanner(JSON_DEPTH_MAX + 3);
  scanner.reset(json);
  scanner.consume(91);
  if (scanner.consume(93)) return elements;
  do elements.push(valueAt(scanner));
  while (scanner.consume(44));
  return elements;
}

function valueAt(scanner: JsonScanner): string {
  scanner.peek();
  const start = scanner.index;
  if (!scanner.skipValue()) throw new Error(`Not JSON at ${scanner.index}: ${scanner.text.slice(start, start + 200)}`);
  return scanner.text.slice(start, scanner.index);
}
