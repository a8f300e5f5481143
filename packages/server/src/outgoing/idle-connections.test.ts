import { expect, test } from 'vitest';
import type { Connection } from './exchange.ts';
import { IdleConnections } from './idle-connections.ts';

test('the connection that has been idle longest comes first, also after others were used', () => {
  const idle = new IdleConnections();
  const a = connectionInUse();
  const b = connectionInUse();
  const c = connectionInUse();
  const d = connectionInUse();
  for (const each of [a, b, c, d]) idle.add(each);
  expect(idle.remove(b)).toBe(true);
  expect(idle.remove(d)).toBe(true);
  idle.add(b);
  expect(idle.remove(a)).toBe(true);
  idle.add(a);
  expect(idle.size).toBe(3);
  expect(oldestFirst(idle)).toEqual([c, b, a]);
  expect(idle.size).toBe(0);
});

test('a connection in use is not removed', () => {
  const idle = new IdleConnections();
  const a = connectionInUse();
  const b = connectionInUse();
  idle.add(a);
  expect(idle.remove(b)).toBe(false);
  expect(oldestFirst(idle)).toEqual([a]);
  expect(idle.remove(a)).toBe(false);
  expect(idle.size).toBe(0);
});

test('a connection in use holds no other one in memory', () => {
  const idle = new IdleConnections();
  const a = connectionInUse();
  const b = connectionInUse();
  const c = connectionInUse();
  for (const each of [a, b, c]) idle.add(each);
  idle.remove(b);
  expect(b).toMatchObject({ isIdle: false, olderIdle: undefined, newerIdle: undefined });
});

test('adding a connection twice is refused', () => {
  const idle = new IdleConnections();
  const a = connectionInUse();
  idle.add(a);
  expect(() => idle.add(a)).toThrow('added once');
});

function oldestFirst(idle: IdleConnections): Connection[] {
  const found: Connection[] = [];
  for (let { oldest } = idle; oldest !== undefined; { oldest } = idle) {
    found.push(oldest);
    idle.remove(oldest);
  }
  return found;
}

function connectionInUse(): Connection {
  return { isIdle: false } as Connection;
}
