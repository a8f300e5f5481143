import * as z from 'zod';
import { choiceField, field, integerField, isBareUrl, type SectionOf } from '../../../settings/field.ts';

/** The HMAC algorithm of `X-Hub-Signature`. */
export const HUB_ALGORITHMS = ['sha1', 'sha256', 'sha384', 'sha512'] as const;
export type HubAlgorithm = (typeof HUB_ALGORITHMS)[number];

/** The section `websub` of the configuration (PROTOCOL.md section 14.7). */
export type WebSubSettings = SectionOf<typeof websub>;

const DAY_SECONDS = 86_400;

/** The fields of the section. */
export const websub = {
  enabled: field(z.boolean().default(true), {
    form: '`true` or `false`',
    doc: 'Enables `POST /v1/websub`: channels that anonymous callers may read can be delivered to a callback.',
    why: 'It delivers only channels that a rule opens to anyone, and the hub verifies callbacks first.',
  }),
  subscriptionsMax: integerField(
    { unit: 'subscriptions', min: 1, max: 1_000_000, default: 10_000 },
    {
      doc: 'The maximum number of WebSub subscriptions. The hub denies further ones. They also count towards `subscriptions.subscriptionsMax`.',
      why: 'A fifth of all subscriptions. Anonymous subscribers must not displace your own webhooks.',
    },
  ),
  subscriptionsPerHostMax: integerField(
    { unit: 'subscriptions', min: 1, max: 1_000_000, default: 50 },
    {
      doc: 'The maximum number of WebSub subscriptions with callbacks on one host name, on any port. The hub denies further ones.',
      why: 'A publish causes one request to each of them. A feed reader needs a few, and the victim of an attack wants none.',
    },
  ),
  subscriptionsPerClientMax: integerField(
    { unit: 'subscriptions a day', min: 1, max: 1_000_000, default: 100 },
    {
      doc: 'The maximum number of new WebSub subscriptions that one client may request in a day. Beyond it: `429 rate_limited`. Renewing and ending a subscription is always possible.',
      why: 'It takes a hundred days to fill all places, and a subscription lasts at most thirty.',
    },
  ),
  leaseSeconds: integerField(
    { unit: 'seconds', min: 1, max: 365 * DAY_SECONDS, default: 10 * DAY_SECONDS },
    {
      doc: 'The lease of a WebSub subscription if its subscriber requests none. It ends then, unless the subscriber renews it.',
      why: "Ten days, as WebSub recommends. It survives a subscriber's long weekend, and the hub does not call a dead callback for long.",
    },
  ),
  leaseMinSeconds: integerField(
    { unit: 'seconds', min: 1, max: 365 * DAY_SECONDS, default: 60 },
    {
      doc: 'The hub extends shorter leases to this.',
      why: 'Each renewal costs a request to the callback.',
    },
  ),
  leaseMaxSeconds: integerField(
    { unit: 'seconds', min: 1, max: 365 * DAY_SECONDS, default: 30 * DAY_SECONDS },
    {
      doc: 'The hub shortens longer leases to this.',
      why: 'A subscriber that has not renewed for a month may have forgotten the subscription.',
    },
  ),
  algorithm: choiceField(['sha256', 'sha384', 'sha512'], 'sha256', {
    doc: 'The HMAC of `X-Hub-Signature` for subscribers with a secret that request no other (`hub.algorithm`). Subscribers that use PubSubHubbub 0.3 get SHA-1.',
    why: 'Every current subscriber supports it.',
  }),
  topics: field(
    z
      .array(z.string().refine(isBareUrl, 'must be an http or https URL without user name, query or fragment'))
      .max(1000)
      .default([]),
    {
      form: 'list of at most 1,000 URLs',
      doc: 'External topics that this hub serves besides its own channels: all URLs at or below these. The hub fetches a topic when its publisher reports a change (`hub.mode=publish`). Anyone may subscribe to them.',
      why: 'None, because attackers could abuse a hub that fetches any URL.',
    },
  ),
  fetchIntervalSeconds: integerField(
    { unit: 'seconds', min: 1, max: DAY_SECONDS, default: 10 },
    {
      doc: 'The minimum interval between two fetches of an external topic. The hub handles reports in between with the next fetch.',
      why: 'Anybody may report a change of a topic.',
    },
  ),
};
