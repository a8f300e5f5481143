import assert from 'node:assert/strict';
import { call } from '../../kit/http.ts';
import { until } from '../../kit/wait.ts';
import type { FaultyCluster } from './faulty-cluster.ts';

/** What `GET /v1/cluster` says. */
interface State {
  readonly subscriptionOwner: string | null;
  readonly hubs: readonly { readonly state: string; readonly sameData: boolean | null }[];
}

/** Every hub compares its data with the others', and they are equal. All know the same owner. */
export async function expectOneData({ urls, processes }: FaultyCluster): Promise<void> {
  const owners = new Set<string | null>();
  for (const url of urls) {
    let text = '';
    await until('all hubs have the same data', async () => {
      text = (await call(`${url}/v1/cluster`)).text;
      const { hubs } = JSON.parse(text) as State;
      const answering = hubs.filter(({ state }) => state === 'answers');
      return answering.length === urls.length && answering.every(({ sameData }) => sameData === true);
    }).catch((error: unknown) => {
      throw new Error(`${(error as Error).message}: ${text}`);
    });
    owners.add((JSON.parse(text) as State).subscriptionOwner);
    assert.deepEqual((await call(`${url}/healthz`)).json(), { status: 'ok' });
  }
  assert.equal(owners.size, 1);
  for (const { log } of processes) assert.doesNotMatch(log(), /differs from that of another hub/);
}

/** Each term of the lease on subscriptions was of one process. */
export function expectOneHolder({ processes }: FaultyCluster): void {
  const terms = processes.flatMap(({ log }) =>
    [...log().matchAll(/"term":(\d+),"msg":"cluster: this hub works on subscriptions now"/g)].map(([, term]) => term),
  );
  assert.notEqual(terms.length, 0);
  assert.equal(new Set(terms).size, terms.length, `the terms ${terms.join()}`);
}
