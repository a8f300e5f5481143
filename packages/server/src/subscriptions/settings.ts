import * as z from 'zod';
import { field, integerField, type SectionOf } from '../settings/field.ts';

const MINUTE_SECONDS = 60;
const HOUR_SECONDS = 60 * MINUTE_SECONDS;
const DAY_SECONDS = 24 * HOUR_SECONDS;

/** The section `subscriptions` of the configuration (PROTOCOL.md section 14). */
export type SubscriptionSettings = SectionOf<typeof subscriptions>;

/** The fields of the section. A new one is an entry here, and the part that reads it names it. */
export const subscriptions = {
  subscriptionsMax: integerField(
    { unit: 'subscriptions', min: 1, max: 1_000_000, default: 50_000 },
    {
      doc: 'The maximum number of durable subscriptions. Creating another one gets `503 subscription_limit`.',
      why: 'One webhook per customer of a large product, in about 100 MB. An idle one takes less than 2 kB.',
    },
  ),
  subscriptionsPerOwnerMax: integerField(
    { unit: 'subscriptions', min: 1, max: 1_000_000, default: 100 },
    {
      doc: 'The maximum number of subscriptions with the same `owner`. Creating another one gets `503 subscription_limit`. Subscriptions without an owner have no such limit.',
      why: 'Customers create them by themselves in the portal. A customer has a few endpoints, and no customer may use up the places of all others.',
    },
  ),
  trustedEndpoints: field(z.array(z.string()).max(1000).default([]), {
    form: 'list of at most 1,000 origins (`https://hooks.example`, `https://*.corp.example` for all sub-domains), or `["*"]`',
    doc: 'Webhooks to these origins are active immediately, without verification. With `access: loopback`, so are webhooks to this machine.',
    why: 'Without verification, anybody who may subscribe could direct unwanted requests at an endpoint.',
  }),
  concurrency: integerField(
    { unit: 'requests', min: 1, max: 10_000, default: 16 },
    {
      doc: 'The maximum number of concurrent requests of one webhook, unless the subscription sets its own. The hub lowers it by itself when the endpoint is slow or refuses, and raises it again.',
      why: 'At 100 ms per request this is 160 events a second, and it does not overload a small site.',
    },
  ),
  concurrencyMax: integerField(
    { unit: 'requests', min: 1, max: 10_000, default: 256 },
    {
      doc: 'The highest `concurrencyMax` that a webhook subscription may set.',
      why: 'In measurements, no endpoint was faster with more.',
    },
  ),
  requestsMax: integerField(
    { unit: 'requests', min: 1, max: 100_000, default: 10_000 },
    {
      doc: 'The maximum number of concurrent requests of all webhooks. Further requests wait, and the subscriptions take turns.',
      why: 'An endpoint that hangs holds a request for its whole timeout. Thousands of such requests must leave room for healthy endpoints.',
    },
  ),
  timeoutMs: integerField(
    { unit: 'milliseconds', min: 100, max: 600_000, default: 15_000 },
    {
      doc: 'The timeout of a webhook request, from the name lookup to the end of the response, unless the subscription sets its own.',
      why: 'The usual value of webhook senders. An endpoint should store the event, answer, and process it afterwards.',
    },
  ),
  timeoutMaxMs: integerField(
    { unit: 'milliseconds', min: 100, max: 600_000, default: 60_000 },
    {
      doc: 'The highest `timeoutMs` that a subscription may set.',
      why: 'Enough for a cold start of a serverless function. A longer request only occupies a connection.',
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
      doc: 'The delays between failed attempts, each with a jitter of 20 %, unless the subscription sets its own. An event that fails after the last one becomes a dead letter.',
      why: 'Seconds for a restart, minutes for a release, hours for an outage, and three days in total for a weekend. It is the schedule of Standard Webhooks. `polycast dev` retries sooner: after 1, 2 and 5 s, then every 10 s, every 30 s and every minute, for ten minutes.',
    },
  ),
  failingNoticeSeconds: integerField(
    { unit: 'seconds', min: 1, max: 365 * DAY_SECONDS, default: DAY_SECONDS },
    {
      doc: 'The hub publishes `polycast.subscription.failing` after this long without a success.',
      why: 'Well before the suspension, and later than the end of most outages.',
    },
  ),
  suspendAfterSeconds: integerField(
    { unit: 'seconds', min: 1, max: 365 * DAY_SECONDS, default: 5 * DAY_SECONDS },
    {
      doc: 'The hub suspends a webhook after this long without a success. It then sends only probes, and resumes by itself when one succeeds.',
      why: 'Five days, so that deliveries survive an outage over a long weekend.',
    },
  ),
  probeSeconds: integerField(
    { unit: 'seconds', min: 1, max: DAY_SECONDS, default: HOUR_SECONDS },
    {
      doc: 'How often the hub sends the oldest event to a suspended webhook, as a probe.',
      why: 'The hub finds a recovered endpoint within the hour, and a dead one costs one request an hour.',
    },
  ),
  openEventsMax: integerField(
    { unit: 'events', min: 1, max: 100_000, default: 1000 },
    {
      doc: 'The maximum number of events of one subscription that are in flight, wait for their next attempt, or are leased. At the limit the hub reads no new events for it: the subscription falls behind, and loses only events that retention removes.',
      why: 'Enough for many failing channels among healthy ones, and for dozens of workers, in at most 100 kB.',
    },
  ),
  leaseSeconds: integerField(
    { unit: 'seconds', min: 1, max: DAY_SECONDS, default: 30 },
    {
      doc: 'The duration of a lease, unless the subscription or the worker sets its own. After it, another worker may receive the event.',
      why: 'Most jobs take less. The job of a crashed worker is delivered again within a minute. Longer jobs extend their lease.',
    },
  ),
  leaseMaxSeconds: integerField(
    { unit: 'seconds', min: 1, max: DAY_SECONDS, default: 12 * HOUR_SECONDS },
    {
      doc: 'The longest lease, and the longest delay of a released event.',
      why: 'The same as in SQS. A longer task should be split into several jobs.',
    },
  ),
  deliveriesMax: integerField(
    { unit: 'deliveries', min: 1, max: 1000, default: 10 },
    {
      doc: 'An event that was leased this often without an acknowledgement becomes a dead letter, unless the subscription sets its own number.',
      why: 'A job that fails ten times fails because of itself, not because of a temporary problem.',
    },
  ),
  lagSeriesMax: integerField(
    { unit: 'subscriptions', min: 0, max: 100_000, default: 100 },
    {
      doc: 'The number of subscriptions whose lag is a metric of their own, those that are late first. `subscription="others"` is the greatest lag of the rest. 0: none.',
      why: 'Two lines each on the metrics page. With 10,000 subscriptions the page has 39 kB at the default, and 1.5 MB with a line for all of them.',
    },
  ),
  attemptsKept: integerField(
    { unit: 'attempts per subscription', min: 0, max: 100_000, default: 200 },
    {
      doc: 'The number of newest attempts that the hub stores. At a high rate it stores all failures and a sample of the successes.',
      why: 'Enough to see how an endpoint behaves, and since when.',
    },
  ),
  attemptsKeptMax: integerField(
    { unit: 'attempts', min: 0, max: 10_000_000, default: 200_000 },
    {
      doc: 'The maximum number of stored attempts of all subscriptions. The oldest are removed first.',
      why: 'With responses of 1 kB this takes 200 MB on the disk.',
    },
  ),
  deadLettersKept: integerField(
    { unit: 'dead letters per subscription', min: 1, max: 1_000_000, default: 10_000 },
    {
      doc: 'The maximum number of dead letters of a subscription. The oldest are removed first. A dead letter refers to an event in the log, so its content is lost when retention removes the event.',
      why: 'More than a person can review, and a script can retry them in a minute.',
    },
  ),
};
