import { isChannel } from '@polycast/protocol';
import { describe, expect, it } from 'vitest';
import { topicOf } from './topics.ts';

const BASES = ['https://hub.example', 'http://127.0.0.1:7400', 'https://shop.example/hub'];
const PREFIXES = ['https://news.example/feeds', 'https://blog.example'];
const channel = (url: string) => topicOf(url, BASES, PREFIXES)?.channel;
const isExternal = (url: string) => topicOf(url, BASES, PREFIXES)?.isExternal;

describe('topics', () => {
  it("are this hub's channels, with any scheme", () => {
    expect(topicOf('https://hub.example/v1/channels/orders.42', BASES, [])).toEqual({
      url: 'https://hub.example/v1/channels/orders.42',
      channel: 'orders.42',
      isExternal: false,
    });
    expect(channel('http://hub.example/v1/channels/news')).toBe('news');
    expect(channel('https://hub.example:443/v1/channels/news')).toBe('news');
    expect(channel('https://HUB.example/v1/channels/news')).toBe('news');
    expect(channel('http://127.0.0.1:7400/v1/channels/news')).toBe('news');
    expect(channel('https://shop.example/hub/v1/channels/news')).toBe('news');
  });

  it("are equal with unreserved characters encoded, in the hub's URLs and in others", () => {
    expect(channel('https://hub.example/v1/channels/%6Eew%73')).toBe('news');
    expect(channel('https://hub.example/%76%31/channels/a%2Eb%2db')).toBe('a.b-b');
    expect(topicOf('https://hub.example/v1/channels/%6eews', BASES, [])?.url).toBe(
      'https://hub.example/v1/channels/%6eews',
    );
    expect(channel('https://blog.example/%61?q=%2F')).toBe(channel('https://blog.example/a?q=%2F'));
    expect(channel('https://blog.example/a%2Fb')).not.toBe(channel('https://blog.example/a/b'));
  });

  it('are no other URLs of the hub', () => {
    for (const url of [
      'https://hub.example:8443/v1/channels/news',
      'https://hub.example.evil.example/v1/channels/news',
      'https://hub.example/v1/channels/news?wait=60',
      'https://hub.example/v1/channels/news/history',
      'https://hub.example/v1/channels/news.*',
      'https://hub.example/v1/channels/new%2As',
      'https://hub.example/v1/channels/',
      'https://hub.example/v1/channels/../channels/',
      'https://hub.example/other',
      'https://shop.example/v1/channels/news',
    ])
      expect(channel(url), url).toBeUndefined();
  });

  it('are external documents if a setting names them, each with a channel of its own', () => {
    expect(isExternal('https://blog.example/')).toBe(true);
    expect(isExternal('https://blog.example/a?b=c')).toBe(true);
    expect(isExternal('https://news.example/feeds')).toBe(true);
    expect(isExternal('https://news.example/feeds/1.xml')).toBe(true);
    const [one, other] = [channel('https://blog.example/1'), channel('https://blog.example/2')];
    expect(one).not.toBe(other);
    expect(isChannel(one as string)).toBe(true);
  });

  it('are not URLs that only resemble external documents', () => {
    for (const url of [
      'https://news.example/feedsystem',
      'https://news.example/',
      'http://news.example/feeds/1',
      'https://news.example:8443/feeds/1',
      'https://blog.example.evil.example/',
      'https://news.example/feeds/../private',
    ])
      expect(channel(url), url).toBeUndefined();
  });
});
