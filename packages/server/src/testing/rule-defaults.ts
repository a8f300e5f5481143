/** What holds for channels without a rule, in tests: every event is kept. */
export const RULE_DEFAULTS = {
  retain: 'history',
  historyCountMax: undefined,
  historyAgeMaxMs: undefined,
  historyBytesMax: undefined,
  eventBytesMax: 1e5,
  publishRatePerSecond: undefined,
  publishBurst: 1,
  userPublishRatePerSecond: undefined,
  userPublishBurst: 1,
} as const;
