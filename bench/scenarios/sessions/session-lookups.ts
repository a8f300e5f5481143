// Questions to a session journal of 1,000,000 sessions: for one of them, for one that was never
// there, and for those of a user. Two more ask for the newest, and why a user missed an event.
import { ChangeBatch } from '../../../packages/server/src/core/session-journal/change-batch.ts';
import type { SessionRecord } from '../../../packages/server/src/core/session-journal/session-record.ts';
import { openSessionStore } from '../../../packages/server/src/storage/sqlite/sessions/file-session-store.ts';
import { freshFolder } from '../../harness/folders.ts';
import type { LoadRun } from '../../harness/load.ts';
import { metricOf, runInterleaved, type Scenario } from '../../harness/scenario.ts';
import { percentile } from '../../harness/statistics.ts';
import { polycast, publishToHub, type RunningHub, startHub } from '../../peers/polycast.ts';

const USERS = 50_000;
/** A session begins this long after the one before it, so that all are of the last day. */
const STEP_MS = 80;
const LIFE_MS = 60_000;
/** Of each kind; the first ones are not counted, since the code is compiled then. */
const LOOKUPS = 100;
const WARM_UP_LOOKUPS = 20;
const WRITTEN_AT_ONCE = 100;
const LOOKUP_MAX_MS = 50;

const KINDS = ['session', 'unknown', 'user', 'page', 'why'] as const;
type Kind = (typeof KINDS)[number];

const TITLES: Readonly<Record<Kind, string>> = {
  session: 'one session',
  unknown: 'a session that was never there',
  user: 'the sessions of a user',
  page: 'the newest sessions',
  why: 'why an event did not reach a user',
};

export const sessionLookups: Scenario = {
  name: 'session-lookups',
  title: 'Lookups in a journal of 1,000,000 sessions',
  run: async (options) => {
    const sessions = options.quick ? 100_000 : 1_000_000;
    const dataFolder = freshFolder('hub');
    let event: string | undefined;
    const run = async (): Promise<LoadRun> => {
      event ??= await fill(dataFolder, sessions);
      const hub = await startHub(dataFolder, [`sessions.journalEntriesMax=${2 * sessions}`]);
      try {
        return await lookUp(hub, sessions, event);
      } finally {
        await hub.process.stop();
      }
    };
    const series = await runInterleaved([{ name: 'polycast', peer: polycast, run }], options);
    return {
      settings: { sessions, users: USERS, lookups: LOOKUPS },
      series,
      bars: KINDS.map((kind) => ({
        title: `${TITLES[kind]}: p99`,
        figure: metricOf(series, 'polycast', `${kind}P99Ms`),
        atMost: LOOKUP_MAX_MS,
        unit: 'ms',
      })),
      charts: [],
      columns: KINDS.flatMap((kind) => [
        { title: `${TITLES[kind]}, p50 ms`, figure: `${kind}P50Ms` },
        { title: 'p99 ms', figure: `${kind}P99Ms` },
      ]),
    };
  },
};

/** @returns the id of an event that no session has received */
async function fill(dataFolder: string, sessions: number): Promise<string> {
  const hub = await startHub(dataFolder);
  const [event = ''] = await publishToHub(hub, 'orders.1', 1);
  await hub.process.stop();
  const nowMs = Date.now();
  const store = openSessionStore({
    folder: dataFolder,
    epoch: 'bench',
    nowMs,
    sessionsMax: 2 * sessions,
    ageMaxMs: Infinity,
  });
  const first = store.newestNumber + 1;
  let batches = [new ChangeBatch()];
  const add = (change: Parameters<ChangeBatch['add']>[0]): void => {
    if (batches.at(-1)?.count === store.batchLinesMax) batches.push(new ChangeBatch());
    batches.at(-1)?.add(change);
  };
  for (let index = 0; index < sessions; index++) {
    const session = recordOf(first + index, index, nowMs - LIFE_MS - (sessions - index) * STEP_MS);
    const timeMs = session.openedMs + LIFE_MS;
    const end = { timeMs, position: 0, reason: 'network', polls: 0, skipped: [], gaps: [] } as const;
    add({ kind: 'opened', session });
    add({ kind: 'ended', session: session.number, user: session.user, end });
    if (batches.length < WRITTEN_AT_ONCE && index < sessions - 1) continue;
    store.write(batches, nowMs);
    batches = [new ChangeBatch()];
  }
  store.close(nowMs);
  return event;
}

function recordOf(number: number, index: number, openedMs: number): SessionRecord {
  return {
    number,
    id: idOf(index),
    transport: 'sse',
    kind: 'user',
    user: userOf(index),
    key: undefined,
    client: undefined,
    address: `203.0.113.${index % 256}`,
    excludesOwn: false,
    channels: ['orders.1'],
    changes: [],
    types: undefined,
    epoch: 'bench',
    openedMs,
    openedAt: 0,
    end: undefined,
  };
}

function idOf(index: number): string {
  return index.toString(36).padStart(16, '0');
}

function userOf(index: number): string {
  return `user-${index % USERS}`;
}

async function lookUp(hub: RunningHub, sessions: number, event: string): Promise<LoadRun> {
  const figures: Record<string, number> = {};
  for (const kind of KINDS) {
    const delaysMs: number[] = [];
    for (let lookup = 0; lookup < WARM_UP_LOOKUPS + LOOKUPS; lookup++) {
      // Over the whole journal: a lookup in its newest part alone would be faster.
      const index = Math.floor(((lookup * 0.618_034) % 1) * sessions);
      const { path, status } = requestOf(kind, index, event);
      const startMs = performance.now();
      const answer = await fetch(hub.url + path);
      const text = await answer.text();
      if (lookup >= WARM_UP_LOOKUPS) delaysMs.push(performance.now() - startMs);
      if (answer.status !== status || !text.includes(expectedIn(kind, index)))
        throw new Error(`${path} was answered ${answer.status}: ${text.slice(0, 200)}`);
    }
    figures[`${kind}P50Ms`] = percentile(delaysMs, 0.5);
    figures[`${kind}P99Ms`] = percentile(delaysMs, 0.99);
  }
  return figures;
}

function requestOf(kind: Kind, index: number, event: string): { readonly path: string; readonly status: number } {
  switch (kind) {
    case 'session':
      return { path: `/v1/sessions/${idOf(index)}`, status: 200 };
    case 'unknown':
      return { path: `/v1/sessions/none${idOf(index).slice(4)}`, status: 404 };
    case 'user':
      return { path: `/v1/sessions?state=ended&user=${userOf(index)}`, status: 200 };
    case 'page':
      return { path: '/v1/sessions?state=ended&limit=100', status: 200 };
    case 'why':
      return { path: `/v1/explain?event=${event}&user=${userOf(index)}`, status: 200 };
  }
}

/** What the answer must have, so that a fast wrong answer is none. */
function expectedIn(kind: Kind, index: number): string {
  return { session: idOf(index), unknown: 'not_found', user: userOf(index), page: '"ended"', why: 'steps' }[kind];
}
