import * as z from 'zod';
import { choiceField, field, integerField, integerOrNullField, optionalFields } from './field.ts';
import { access, isRulePattern } from './grantees.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const DAY_SECONDS = 86_400;

/** The settings of a channel: fields of `defaults`, and of each rule. */
export const ruleSettings = {
  retain: choiceField(['history', 'latest', 'none'], 'history', {
    doc: 'What a channel keeps: its `history` as far as the bounds below allow, only its `latest` event, or `none` beyond what is in memory.',
    why: 'A consumer that comes back gets what it missed only if that was kept.',
  }),
  historyCountMax: integerOrNullField(
    { unit: 'events per channel', min: 1, max: 1e12, default: 1_000_000 },
    {
      doc: 'A channel keeps at most this many events; the oldest go first.',
      why: 'Far above what a live page reads back, and it keeps one runaway publisher from filling the disk within the week.',
    },
  ),
  historyAgeMaxSeconds: integerOrNullField(
    { unit: 'seconds', min: 1, max: 3650 * DAY_SECONDS, default: 7 * DAY_SECONDS },
    {
      doc: 'Events older than this are removed.',
      why: 'Seven days: a laptop closed over a long weekend, or a consumer that failed on Friday, still catches up without a gap.',
    },
  ),
  historyBytesMax: integerOrNullField(
    { unit: 'bytes per channel', min: 1024, max: 1024 * GIB, default: GIB },
    {
      doc: "A channel's events hold at most this many bytes; the oldest go first.",
      why: 'A million events of the largest size would be 256 GiB; 1 GiB holds a million of 1 KiB each, so the count rules as long as events are small.',
    },
  ),
  eventBytesMax: integerField(
    { unit: 'bytes', min: 64, max: 16 * MIB, default: 256 * 1024 },
    {
      doc: 'The longest event, as the JSON that subscribers get. A larger one is refused with `event_too_large`.',
      why: 'Events tell that something happened; 256 KiB is what SNS, SQS and EventBridge allow, and it keeps one event within a few batches.',
    },
  ),
  publishRatePerSecond: integerOrNullField(
    { unit: 'events per second and channel', min: 1, max: 1e9, default: null },
    {
      doc: 'How many events a channel takes in a second, in the long run. What goes beyond it is refused with `rate_limited` and `Retry-After`.',
      why: 'No limit: publishers are your own backend, and `limits.appendQueueBytesMax` protects the hub. Set it where clients publish.',
    },
  ),
  publishBurst: integerOrNullField(
    { unit: 'events', min: 1, max: 1e9, default: null },
    {
      doc: 'How many events a channel takes at once before `publishRatePerSecond` holds it back; null means as many as in one second.',
      why: "One second's worth lets an even flow arrive unevenly without changing the long-run rate.",
    },
  ),
  userPublishRatePerSecond: integerOrNullField(
    { unit: 'events per second, channel and user', min: 1, max: 1e9, default: 20 },
    {
      doc: 'How many events a channel takes from one user in a second, in the long run, where a rule lets users publish; from one address, where it lets anyone. Beyond it: `rate_limited` and `Retry-After`. Servers with a key are not meant.',
      why: 'Nobody types so fast, and the pointer on a shared drawing moves no less smoothly; one client that runs wild is held there.',
    },
  ),
  userPublishBurst: integerOrNullField(
    { unit: 'events', min: 1, max: 1e9, default: null },
    {
      doc: 'How many events a channel takes from one user at once before `userPublishRatePerSecond` holds them back; null means as many as in two seconds.',
      why: 'What was queued while a phone was offline goes out together.',
    },
  ),
  eventTypeCheck: choiceField(['none', 'schema', 'known'], 'none', {
    doc: 'Whether what is published is held against `eventTypes`. `schema`: an event whose type has a schema there must fit it. `known`: also, its type must be there. What does not fit is refused with `event_invalid`.',
    why: "The hub looks into nobody's data unless it is told to; a check parses each event.",
  }),
};

const rule = z.strictObject({
  pattern: field(
    z
      .string()
      .refine(
        isRulePattern,
        'must be a channel pattern: tokens of A-Z a-z 0-9 _ - joined by dots, `*` for one, a last `>` for the rest, `{user}` for the name of the user who asks',
      ),
    {
      form: 'channel pattern',
      doc: 'The channels that the rule is for, as in PROTOCOL.md section 1: `orders.*`, `chat.>`; `{user}` stands for one token like `*`, and for `owner` it is the name of the user who asks: `inbox.{user}.>`.',
      why: 'Required: a rule for everything is `>`, or better `defaults`.',
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
  doc: 'Each setting of a channel comes from the first rule in the list that covers it and sets it, else from `defaults`.',
  why: 'None is needed to begin.',
});
