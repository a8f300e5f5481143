import type { Config } from './settings/config-schema.ts';

/** The bytes of the largest event that the defaults or a rule allow. */
export function largestEventBytes({ defaults, rules }: Pick<Config, 'defaults' | 'rules'>): number {
  return Math.max(defaults.eventBytesMax, ...rules.map(({ eventBytesMax = 0 }) => eventBytesMax));
}
