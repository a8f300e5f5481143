import { connect } from '@polycast/client';
import { computed, createApp, ref, shallowRef } from 'vue';
import type { Overview } from '../services/aggregator.ts';

/** The dashboard: one event stream, and a template in index.html. */
const POINTS = 120;
const FRESH_MS = 1000;

createApp({
  setup() {
    const overview = shallowRef<Overview>({ atMs: 0, eventsPerSecond: 0, circuits: [] });
    const nowMs = ref(Date.now());
    const updatesPerSecond = ref(0);
    const history = new Map<string, number[]>();
    let updates = 0;

    // `earliest` of a channel that holds one value: the newest at once, then each new one.
    const connection = connect(location.origin, { transports: ['sse'] });
    connection.subscribe<Overview>(
      'circuits',
      ({ data }) => {
        overview.value = data;
        updates++;
        for (const { circuit, perSecond } of overview.value.circuits)
          history.set(circuit, [...(history.get(circuit) ?? []), perSecond].slice(-POINTS));
      },
      { after: 'earliest' },
    );
    setInterval(() => {
      nowMs.value = Date.now();
      updatesPerSecond.value = updates;
      updates = 0;
    }, 1000);

    return {
      overview,
      updatesPerSecond,
      COLOR: { closed: 'good', open: 'bad', 'half-open': 'warn' },
      isFresh: computed(() => nowMs.value - overview.value.atMs < FRESH_MS + 1000),
      circuits: computed(() => overview.value.circuits.filter(({ state }) => state !== undefined)),
      services: computed(() => overview.value.circuits.filter(({ state }) => state === undefined)),
      number: (value: number) => Math.round(value).toLocaleString(),
      percent: (share: number) => `${(share * 100).toFixed(share > 0 && share < 0.1 ? 1 : 0)} %`,
      line(circuit: string): string {
        const values = history.get(circuit) ?? [];
        const highest = Math.max(1, ...values);
        return values
          .map((value, index) => `${POINTS - values.length + index},${34 - (32 * value) / highest}`)
          .join(' ');
      },
      inject: (service: string, faults: object) =>
        fetch(`/faults/${service}`, { method: 'POST', body: JSON.stringify(faults) }),
    };
  },
}).mount('main');
