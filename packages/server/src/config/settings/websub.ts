import * as z from 'zod';
import { choiceField, field, integerField } from './field.ts';

const DAY_SECONDS = 86_400;

/** The settings of `websub` (PROTOCOL.md section 14.7). */
export const websub = {
  enabled: field(z.boolean().default(true), {
    form: '`true` or `false`',
    doc: 'Answers `POST /v1/websub`: whoever may subscribe without saying who they are may have channels delivered to a callback.',
    why: 'Only what a rule opens to anyone can be had by it; and callbacks are asked first.',
  }),
  subscriptionsMax: integerField(
    { unit: 'subscriptions', min: 1, max: 1_000_000, default: 10_000 },
    {
      doc: 'How many WebSub subscriptions there may be; another is denied. They count among `subscriptions.subscriptionsMax` as well.',
      why: 'A fifth of all: whoever asks is anybody, and must not take the place of your own webhooks.',
    },
  ),
  subscriptionsPerHostMax: integerField(
    { unit: 'subscriptions', min: 1, max: 1_000_000, default: 50 },
    {
      doc: 'How many WebSub subscriptions may have callbacks on one host name, on whatever port; another is denied.',
      why: 'One publish is one request to each of them: a reader of feeds needs a few, and somebody who is to be bombarded asked for none.',
    },
  ),
  subscriptionsPerClientMax: integerField(
    { unit: 'subscriptions a day', min: 1, max: 1_000_000, default: 100 },
    {
      doc: 'How many new WebSub subscriptions one client may ask for in a day, all at once or not; then it gets `429 rate_limited`. Renewing and ending one is always possible.',
      why: 'A hundred days to take all places, which last thirty at most.',
    },
  ),
  leaseSeconds: integerField(
    { unit: 'seconds', min: 1, max: 365 * DAY_SECONDS, default: 10 * DAY_SECONDS },
    {
      doc: 'How long a WebSub subscription lasts whose subscriber does not say; then it ends, unless it was renewed.',
      why: "Ten days, as WebSub proposes: a subscriber's long weekend does not end it, and one that is gone is not called for long.",
    },
  ),
  leaseMinSeconds: integerField(
    { unit: 'seconds', min: 1, max: 365 * DAY_SECONDS, default: 60 },
    {
      doc: 'A shorter lease is made as long as this.',
      why: 'Each renewal is a question to the callback.',
    },
  ),
  leaseMaxSeconds: integerField(
    { unit: 'seconds', min: 1, max: 365 * DAY_SECONDS, default: 30 * DAY_SECONDS },
    {
      doc: 'A longer lease is made as short as this.',
      why: 'Whoever has not asked for a month may have forgotten.',
    },
  ),
  algorithm: choiceField(['sha256', 'sha384', 'sha512'], 'sha256', {
    doc: 'The HMAC that `X-Hub-Signature` is made with, where a subscriber gave a secret and asks for no other (`hub.algorithm`). Those that speak PubSubHubbub 0.3 get SHA-1.',
    why: 'Every subscriber of today knows it.',
  }),
  topics: field(
    z
      .array(z.string().refine(isBareUrl, 'must be an http or https URL without user, query and fragment'))
      .max(1000)
      .default([]),
    {
      form: 'list of at most 1,000 URLs',
      doc: 'Whose topics this hub is for, besides its own channels: of other sites, all at or below these URLs. They are fetched when their publisher says that they have changed (`hub.mode=publish`), and may be subscribed to by anyone.',
      why: 'None: a hub that fetches whatever it is told to is of use to others.',
    },
  ),
  fetchIntervalSeconds: integerField(
    { unit: 'seconds', min: 1, max: DAY_SECONDS, default: 10 },
    {
      doc: 'A foreign topic is fetched no more often than once in so long; what is told in the meantime is looked at afterwards.',
      why: 'Anybody may say that a topic has changed.',
    },
  ),
};

/** Whether a text is a URL without user, query and fragment, so that a path can be appended. */
export function isBareUrl(text: string): boolean {
  const url = URL.parse(text);
  return (
    url !== null &&
    (url.protocol === 'http:' || url.protocol === 'https:') &&
    url.username + url.password + url.search + url.hash === '' &&
    !text.includes('?') &&
    !text.includes('#')
  );
}
