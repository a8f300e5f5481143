import * as z from 'zod';
import { choiceField, field, integerField, integerOrNullField, optionalFields } from '../../settings/field.ts';
import { access, isRulePattern } from './grantees.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const DAY_SECONDS = 86_400;

/** The settings of a channel: fields of `defaults`, and of each rule. */
export const ruleSettings = {
  retain: choiceField(['history', 'latest', 'none'], 'history', {
    doc: 'What the hub stores of a channel: its `history` within the limits below, only its `latest` event, or `none` beyond the events in memory.',
    why: 'A consumer that reconnects can only receive missed events that are stored.',
    live: true,
  }),
  historyCountMax: integerOrNullField(
    { unit: 'events per channel', min: 1, max: 1e12, default: 1_000_000 },
    {
      doc: 'The maximum number of stored events of a channel. The oldest are removed first.',
      why: 'Far more than a live page reads back. It also stops one runaway publisher from filling the disk within a week.',
      live: true,
    },
  ),
  historyAgeMaxSeconds: integerOrNullField(
    { unit: 'seconds', min: 1, max: 3650 * DAY_SECONDS, default: 7 * DAY_SECONDS },
    {
      doc: 'The hub removes events older than this.',
      why: 'Seven days. A laptop closed over a long weekend, or a consumer that failed on Friday, still catches up without a gap.',
      live: true,
    },
  ),
  historyBytesMax: integerOrNullField(
    { unit: 'bytes per channel', min: 1024, max: 1024 * GIB, default: GIB },
    {
      doc: 'The maximum size of the stored events of a channel. The oldest are removed first.',
      why: 'A million events of the largest size would take 256 GiB. 1 GiB holds a million events of 1 KiB, so for small events the count is the limit.',
      live: true,
    },
  ),
  eventBytesMax: integerField(
    { unit: 'bytes', min: 64, max: 16 * MIB, default: 256 * 1024 },
    {
      doc: 'The maximum size of an event, as the JSON that subscribers receive. The hub refuses a larger one with `event_too_large`.',
      why: 'Events report that something happened. SNS, SQS and EventBridge allow 256 KiB too, and such an event needs only a few batches.',
      live: true,
    },
  ),
  publishRatePerSecond: integerOrNullField(
    { unit: 'events per second and channel', min: 1, max: 1e9, default: null },
    {
      doc: 'The maximum long-term rate of events of a channel. Beyond it the hub refuses events with `rate_limited` and `Retry-After`.',
      why: 'No limit, because publishers are your own backend and `limits.appendQueueBytesMax` protects the hub. Set it where clients publish.',
      live: true,
    },
  ),
  publishBurst: integerOrNullField(
    { unit: 'events', min: 1, max: 1e9, default: null },
    {
      doc: 'The maximum burst above `publishRatePerSecond`. null: as many events as in one second.',
      why: 'A burst of one second lets an even flow arrive unevenly, without a change of the long-term rate.',
      live: true,
    },
  ),
  userPublishRatePerSecond: integerOrNullField(
    { unit: 'events per second, channel and user', min: 1, max: 1e9, default: 20 },
    {
      doc: 'The maximum long-term rate of events that a channel accepts from one user; where anyone may publish, it applies per address. Beyond it: `rate_limited` and `Retry-After`. Servers with a key are exempt.',
      why: 'No person types faster, and pointers on a shared drawing still move smoothly. It stops a client that runs wild.',
      live: true,
    },
  ),
  userPublishBurst: integerOrNullField(
    { unit: 'events', min: 1, max: 1e9, default: null },
    {
      doc: 'The maximum burst above `userPublishRatePerSecond`. null: as many events as in two seconds.',
      why: 'A phone sends everything it queued offline in one burst.',
      live: true,
    },
  ),
  eventTypeCheck: choiceField(['none', 'schema', 'known'], 'none', {
    doc: 'Whether the hub checks events against `eventTypes`. `schema`: an event must match the schema of its type, if it has one. `known`: its type must also be in `eventTypes`. The hub refuses other events with `event_invalid`.',
    why: 'A check parses every event, so the hub does not check by default.',
    live: true,
  }),
};

const rule = z.strictObject({
  pattern: field(
    z
      .string()
      .refine(
        isRulePattern,
        'must be a channel pattern: tokens of A-Z a-z 0-9 _ - joined by dots, `*` for one token, a last `>` for the rest, `{user}` for the name of the user',
      ),
    {
      form: 'channel pattern',
      doc: 'The channels of the rule, as in PROTOCOL.md section 1: `orders.*`, `chat.>`. `{user}` matches one token like `*`; for `owner` it must be the name of the user: `inbox.{user}.>`.',
      why: 'Required. For all channels use `>`, or better `defaults`.',
    },
  ),
  ...optionalFields(ruleSettings),
  ...access,
});

/** The keys of a rule. */
export const RULE_KEYS: readonly string[] = Object.keys(rule.shape);

/** The settings of `rules`. */
export const rules = field(z.array(rule).max(1000).default([]), {
  form: 'list of `{pattern, …}` with any of the settings of `defaults`, at most 1,000',
  doc: 'The value of each setting comes from the first rule in the list that matches the channel and has the setting, otherwise from `defaults`.',
  why: 'A hub works without any rule.',
  live: true,
});
