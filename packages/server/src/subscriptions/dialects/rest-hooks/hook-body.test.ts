import { describe, expect, it } from 'vitest';
import { EventTypes } from '../../../core/events/event-types.ts';
import { parseHookSelector, eventSelection, parseHookRequest } from './hook-body.ts';
import { newHookSchema } from './schemas.ts';

const URL = 'https://hooks.example/1';
const SCHEMA = newHookSchema({ sender: { urlProblem: () => undefined, send: () => Promise.reject(new Error()) } });
const bodyOf = (body: Record<string, unknown>) => parseHookRequest(SCHEMA, body);
const type = (name: string, ...channels: string[]) => ({
  name,
  description: '',
  channels,
  schema: undefined,
  sample: undefined,
});
const TYPES = new EventTypes([type('order.created', 'orders.>', 'shop'), type('order.paid', 'orders.>')]);

describe('a request of a REST Hooks client', () => {
  // As in the documentation of each client.
  it.each([
    ['Zapier', { target_url: URL, event: 'order.created', subscription_url: 'https://zapier.example/unsubscribe' }],
    ['a Zapier app after its example', { hookUrl: URL, event: 'order.created', style: 'simple' }],
    ['resthooks.org', { target: URL, event: 'order.created' }],
    ['Keap', { hookUrl: URL, eventKey: 'order.created' }],
    ['Replicon', { targetUrl: URL, eventType: 'order.created' }],
    ['Make', { url: URL, event: 'order.created', scenario: 7 }],
    ['n8n', { webhookUrl: URL, events: ['order.created'] }],
    ['Power Automate', { callbackUrl: URL, topic: 'order.created' }],
  ])('is accepted with the member names of %s', (_who, body) => {
    expect(bodyOf(body)).toEqual({
      targetUrl: URL,
      events: ['order.created'],
      channels: undefined,
      format: 'data',
    });
  });

  it('may name several events, some channels and another format', () => {
    expect(bodyOf({ target_url: URL, events: ['a', 'b', 'a'], channel: 'orders.42', format: 'event' })).toEqual({
      targetUrl: URL,
      events: ['a', 'b'],
      channels: ['orders.42'],
      format: 'event',
    });
  });

  it.each([
    [{ event: 'a' }, '"target_url" is missing.'],
    [{ target_url: URL }, '"event" is missing.'],
    [{ target_url: 7, event: 'a' }, /"target_url" must be an http or https URL/],
    [{ target_url: URL, event: '' }, /"event" must be a string/],
    [{ target_url: URL, events: [] }, /"events" must be a string/],
    [{ target_url: URL, events: [7] }, /"events" must be a string/],
    [{ target_url: URL, events: Array.from({ length: 21 }, (_, index) => `e${index}`) }, /a list of 1 to 20/],
    [{ target_url: URL, event: 'a', format: 'xml' }, /"format" must be data or event or cloudevents/],
  ])('is refused: %o', (body, message) => {
    expect(() => bodyOf(body)).toThrow(message);
  });
});

describe('the channels and types of a hook', () => {
  const meaning = (events: string[], channels?: string[]) => eventSelection({ events, channels }, TYPES);

  it('are the types of the catalogue, on the channels where they are published', () => {
    expect(meaning(['order.paid'])).toEqual({ channels: ['orders.>'], types: ['order.paid'] });
    expect(meaning(['order.created', 'order.paid'])).toEqual({
      channels: ['orders.>', 'shop'],
      types: ['order.created', 'order.paid'],
    });
  });

  it('may be limited to some channels', () => {
    expect(meaning(['order.paid'], ['orders.42'])).toEqual({ channels: ['orders.42'], types: ['order.paid'] });
  });

  it('are otherwise the given channels and patterns', () => {
    expect(meaning(['news.>', 'weather'])).toEqual({ channels: ['news.>', 'weather'], types: undefined });
  });

  it('may not be mixed or empty', () => {
    expect(() => meaning(['order.paid', 'news'])).toThrow(/must be event types/);
    expect(() => meaning(['no channel'])).toThrow(/must be event types/);
    expect(() => meaning(['news'], ['weather'])).toThrow(/must be event types/);
  });
});

describe('a request to delete hooks', () => {
  it('names an address, or an event there', () => {
    expect(parseHookSelector({ target_url: URL })).toEqual({ targetUrl: URL, events: undefined });
    expect(parseHookSelector({ hookUrl: URL, eventKey: 'a' })).toEqual({
      targetUrl: URL,
      events: ['a'],
    });
    expect(() => parseHookSelector({})).toThrow('"target_url" is missing.');
  });
});
