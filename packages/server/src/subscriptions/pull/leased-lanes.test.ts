import { expect, test } from 'vitest';
import { Lane } from '../state/lanes/lane.ts';
import { LeasedLanes } from './leased-lanes.ts';

function leased(lease: string): Lane {
  const lane = new Lane('a.1', 1, undefined, false);
  lane.lease = lease;
  return lane;
}

test('each lease is found by its whole id, also among those with the same first characters', () => {
  const leases = new LeasedLanes();
  const ids = ['abcdeX', 'abcdeY', 'abcdeZ', 'abcdf', 'abc', '', 'ä'];
  const lanes = ids.map(leased);
  for (const [index, id] of ids.entries()) leases.add(id, lanes[index] as Lane);
  expect(ids.map((id) => leases.find(id))).toEqual(lanes);
  expect(['abcde', 'abcdeXX', 'ab', 'd', 'x'.repeat(64)].map((id) => leases.find(id))).toEqual(
    Array(5).fill(undefined),
  );
  expect(new Set(leases.all())).toEqual(new Set(lanes));
  expect(leases.take('abcde')).toBeUndefined();
  for (const [index, id] of ids.entries()) {
    expect(leases.take(id)).toBe(lanes[index]);
    expect(leases.size).toBe(lanes.length - index - 1);
    expect(leases.take(id)).toBeUndefined();
    expect(leases.all()).toHaveLength(leases.size);
  }
});

test('a lane whose lease has changed is not found by the old id', () => {
  const leases = new LeasedLanes();
  const lane = leased('first1');
  leases.add('first1', lane);
  lane.lease = undefined;
  expect(leases.find('first1')).toBeUndefined();
  leases.clear();
  expect([leases.size, leases.all()]).toEqual([0, []]);
});
