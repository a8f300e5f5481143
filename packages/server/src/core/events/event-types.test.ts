import { describe, expect, it } from 'vitest';
import { EventTypes, type EventType, type SchemaViolation } from './event-types.ts';

const ORDER: EventType = {
  name: 'order.created',
  description: '',
  channels: ['orders.>'],
  schema: {},
  sample: undefined,
};
const isNumber = (value: unknown): SchemaViolation | undefined =>
  typeof value === 'number' ? undefined : { pointer: '/total', message: 'data must be number' };
const types = new EventTypes(
  [ORDER, { ...ORDER, name: 'order.seen', schema: undefined }],
  new Map([[ORDER.name, isNumber]]),
);

function refused(mode: 'none' | 'schema' | 'known', type: string | undefined, content: string, channel = 'orders.1') {
  const error = types.refusal(mode, channel, type, content);
  return error === undefined ? undefined : `${error.code}: ${error.message}`;
}

describe('a publish and the catalogue of event types', () => {
  it('is not checked without a rule that requires it', () => {
    expect(refused('none', ORDER.name, '"data":"text"')).toBeUndefined();
  });

  it('must match the schema of its type, if it has one', () => {
    expect(refused('schema', ORDER.name, '"data":1')).toBeUndefined();
    expect(refused('schema', ORDER.name, '"data":"text"')).toBe('event_invalid: data must be number.');
    expect(refused('schema', 'order.seen', '"data":"text"')).toBeUndefined();
    expect(refused('schema', 'unheard.of', '"data":"text"')).toBeUndefined();
    expect(refused('schema', undefined, '"data":"text"')).toBeUndefined();
  });

  it('must have a known type if the rule sets it', () => {
    expect(refused('known', ORDER.name, '"data":1')).toBeUndefined();
    expect(refused('known', 'order.seen', '"data":"text"')).toBeUndefined();
    expect(refused('known', 'unheard.of', '"data":1')).toBe('event_invalid: The event type does not exist.');
    expect(refused('known', undefined, '"data":1')).toBe('event_invalid: Events of orders.1 must have a type.');
  });

  it('its type is found after the other members of its content', () => {
    const content = (data: string) => `"datacontenttype":"application/vnd.order+json","cloudevent":{"id":"1"},${data}`;
    expect(refused('schema', ORDER.name, content('"data":7'))).toBeUndefined();
    expect(refused('schema', ORDER.name, content('"data":"7"'))).toMatch(/must be number/);
    expect(refused('schema', ORDER.name, content('"data_base64":"Nw=="'))).toMatch(/is binary/);
  });

  it('is refused with the path of the violation in the data', () => {
    const at = (content: string) => types.refusal('schema', 'orders.1', ORDER.name, content)?.problem;
    expect(at('"data":"text"')).toMatchObject({ at: '/total' });
    expect(at('"data_base64":"Nw=="')).not.toHaveProperty('at');
  });

  it("does not check the hub's own events, nor private messages", () => {
    expect(refused('known', undefined, '"data":1', 'polycast.users.online')).toBeUndefined();
    expect(refused('known', undefined, '"data":1', 'polycast.private.7')).toMatch(/must have a type/);
  });
});
