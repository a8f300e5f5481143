import { expect, test } from 'vitest';
import { OriginList } from './origin-list.ts';

test('a domain is compared as text: characters of regular expressions have no special meaning', () => {
  const list = new OriginList(['https://*.shop.example', 'https://*.a+b.example', 'https://*.[x].example']);
  for (const origin of ['https://www.shop.example', 'https://a.b_c.shop.example', 'https://w.a+b.example'])
    expect(list.includes(origin), origin).toBe(true);
  for (const origin of [
    'https://shop.example',
    'https://.shop.example',
    'https://a..shop.example',
    'https://wwwshop.example',
    'https://www.shopxexample',
    'http://www.shop.example',
    'https://www.shop.example.evil.example',
    'https://evil.example/.shop.example',
    'https://evil.example?.shop.example',
    'https://w.aab.example',
    'https://w.x.example',
  ])
    expect(list.includes(origin), origin).toBe(false);
});
