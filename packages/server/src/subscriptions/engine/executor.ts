/**
 * Hands out the events of consumers of one kind. Example: the webhook dispatcher sends those of
 * webhooks, and the lease manager leases those of pull subscriptions.
 */
export interface Executor<Consumer> {
  /**
   * A consumer may have something to do. The call only queues it, because callers are in the middle
   * of other work.
   */
  schedule(consumer: Consumer): void;
  /**
   * Like `schedule`, for a wake by published events. An interest wakes its newest consumer first.
   */
  scheduleWoken(consumer: Consumer): void;
  /** The subscription has another state. */
  onStatusChanged(consumer: Consumer): void;
  /** The subscription has another definition. */
  onRedefined(consumer: Consumer): void;
  /** Events that wait for their next attempt are due now. */
  attemptNow(consumer: Consumer): void;
  /**
   * When an event that failed is sent again, in milliseconds since 1970; `undefined` when no
   * attempt is planned.
   */
  nextAttemptMs(consumer: Consumer): number | undefined;
  /** The subscription is removed: hands out nothing more. */
  remove(consumer: Consumer): void;
}
