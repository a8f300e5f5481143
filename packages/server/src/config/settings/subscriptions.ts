import * as z from 'zod';
import { field, integerField } from './field.ts';

const MINUTE_SECONDS = 60;
const HOUR_SECONDS = 60 * MINUTE_SECONDS;
const DAY_SECONDS = 24 * HOUR_SECONDS;

/** The settings of `subscriptions` (PROTOCOL.md section 14). */
export const subscriptions = {
  subscriptionsMax: integerField(
    { unit: 'subscriptions', min: 1, max: 1_000_000, default: 50_000 },
    {
      doc: 'How many durable subscriptions there may be. Creating another gets `503 subscription_limit`.',
      why: 'A webhook for each customer of a large product, in some 100 MB: an idle one takes less than 2 kB.',
    },
  ),
  trustedEndpoints: field(z.array(z.string()).max(1000).default([]), {
    form: 'list of at most 1,000 origins (`https://hooks.example`, `https://*.corp.example` for all sub-domains), or `["*"]`',
    doc: 'Webhooks to these are active at once; all others have to consent first. With `access: loopback`, so are those to this machine.',
    why: 'An endpoint that was never asked can be made to receive what it does not want, by anybody who may subscribe.',
  }),
  concurrency: integerField(
    { unit: 'requests', min: 1, max: 10_000, default: 16 },
    {
      doc: 'How many requests of one webhook, or how many channels of one, may be under way at once, unless the subscription says otherwise. It falls by itself when the endpoint is slow or refuses, and rises again.',
      why: 'At the 100 ms that a usual endpoint takes that is 160 events a second, and no small site is overrun.',
    },
  ),
  concurrencyMax: integerField(
    { unit: 'requests', min: 1, max: 10_000, default: 256 },
    {
      doc: 'The most that a subscription may ask for as its `concurrencyMax`, of a webhook.',
      why: 'More than any one endpoint was found to gain from.',
    },
  ),
  requestsMax: integerField(
    { unit: 'requests', min: 1, max: 100_000, default: 10_000 },
    {
      doc: 'How many requests of all webhooks may be under way at once; further ones wait for their turn, each subscription for its own.',
      why: 'Endpoints that hang hold a request for all of its time-out: thousands of them must leave room for the healthy ones.',
    },
  ),
  timeoutMs: integerField(
    { unit: 'milliseconds', min: 100, max: 600_000, default: 15_000 },
    {
      doc: 'How long one exchange with an endpoint may take, from looking up its name to the end of its answer, unless the subscription says otherwise.',
      why: 'What most senders of webhooks grant; an endpoint should take note, answer, and work afterwards.',
    },
  ),
  timeoutMaxMs: integerField(
    { unit: 'milliseconds', min: 100, max: 600_000, default: 60_000 },
    {
      doc: 'The most that a subscription may ask for as its `timeoutMs`.',
      why: 'For functions that start cold; beyond it an endpoint holds a connection for nothing.',
    },
  ),
  retryDelaysSeconds: field(
    z
      .array(
        z
          .int()
          .min(1)
          .max(7 * DAY_SECONDS),
      )
      .max(30)
      .default([5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]),
    {
      form: 'list of at most 30 whole numbers of seconds, 1 to 604,800',
      doc: 'How long after a failed attempt the next one comes, each with a jitter of a fifth, unless the subscription says otherwise. An event that fails after all of them is a dead letter.',
      why: 'Seconds for a restart, minutes for a release, hours for an outage, in all three days for a weekend; the schedule of the Standard Webhooks.',
    },
  ),
  failingNoticeSeconds: integerField(
    { unit: 'seconds', min: 1, max: 365 * DAY_SECONDS, default: DAY_SECONDS },
    {
      doc: 'After so long of nothing but failures `polycast.subscription.failing` is told.',
      why: 'Well before the suspension, and after most outages are over.',
    },
  ),
  suspendAfterSeconds: integerField(
    { unit: 'seconds', min: 1, max: 365 * DAY_SECONDS, default: 5 * DAY_SECONDS },
    {
      doc: 'After so long of nothing but failures a webhook is suspended: it gets nothing but a probe now and then, and goes on by itself when one succeeds.',
      why: 'Five days: an outage over a long weekend is still tried through.',
    },
  ),
  probeSeconds: integerField(
    { unit: 'seconds', min: 1, max: DAY_SECONDS, default: HOUR_SECONDS },
    {
      doc: 'How often a suspended webhook is tried with its oldest event.',
      why: 'An endpoint that is back is found within the hour; one that is gone costs a request an hour.',
    },
  ),
  openEventsMax: integerField(
    { unit: 'events', min: 1, max: 100_000, default: 1000 },
    {
      doc: 'How many events of one subscription may be under way, wait for their next attempt, or be leased. At the bound nothing new is taken up: the subscription falls behind, and loses nothing but what retention removes.',
      why: 'Enough for many failing channels beside healthy ones, and for dozens of workers; some 100 kB at most.',
    },
  ),
  leaseSeconds: integerField(
    { unit: 'seconds', min: 1, max: DAY_SECONDS, default: 30 },
    {
      doc: 'How long a worker has for an event that it has pulled, unless the subscription or the worker says otherwise. Then it is given out again.',
      why: 'Most jobs take less, and the one of a worker that died is taken up again within the minute; longer jobs extend their lease.',
    },
  ),
  leaseMaxSeconds: integerField(
    { unit: 'seconds', min: 1, max: DAY_SECONDS, default: 12 * HOUR_SECONDS },
    {
      doc: 'The longest lease, and the longest delay of an event that was given back.',
      why: 'As in SQS: what takes longer than half a day should be several jobs.',
    },
  ),
  deliveriesMax: integerField(
    { unit: 'deliveries', min: 1, max: 1000, default: 10 },
    {
      doc: 'An event that was pulled so often and never acknowledged is a dead letter, unless the subscription says otherwise.',
      why: 'A job that fails ten times fails by itself, and not for the moment.',
    },
  ),
  attemptsKept: integerField(
    { unit: 'attempts per subscription', min: 0, max: 100_000, default: 200 },
    {
      doc: 'How many of the newest attempts can be looked at. Of many successes a second, samples are kept; failures always.',
      why: 'Enough to see what an endpoint does, and since when.',
    },
  ),
  attemptsKeptMax: integerField(
    { unit: 'attempts', min: 0, max: 10_000_000, default: 200_000 },
    {
      doc: 'How many attempts of all subscriptions are kept; the oldest go.',
      why: 'With answers of 1 kB that is 200 MB on the disk.',
    },
  ),
  deadLettersKept: integerField(
    { unit: 'dead letters per subscription', min: 1, max: 1_000_000, default: 10_000 },
    {
      doc: 'How many dead letters of a subscription are kept; the oldest go. They are places in the log: what they held goes with the log.',
      why: 'More than a person looks through, and what a script retries in a minute.',
    },
  ),
};
