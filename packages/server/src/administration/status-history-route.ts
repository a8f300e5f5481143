import * as z from 'zod';
import type { Route } from '../auth/route.ts';
import { timeMsOf } from '../http/body/body-schema.ts';
import { json, response } from '../http/route-description.ts';
import { named, time } from '../http/openapi/schemas.ts';
import { integerParameter, readQuery, textParameter } from '../http/query-parameter.ts';
import { invalidParameter } from '../http/refusals.ts';
import { timestampOrNull } from '../http/timestamp-text.ts';
import { hubInCluster, type HubInCluster } from '../operate/hub-status.ts';
import type { StatusHistoryPage } from '../operate/status-history/status-history.ts';
import { PERCENTILES, PLAIN_SERIES } from '../operate/status-history/status-series.ts';

const WEEK_SECONDS = 7 * 86_400;
const SECONDS = integerParameter('seconds', { min: 60, max: WEEK_SECONDS }, 'How far back. Default 3600.');
const AFTER = textParameter('after', time(), 'Only steps that begin after this time.');
const PARAMETERS = [SECONDS, AFTER];

/** `GET /v1/status/history?seconds=&after=` (PROTOCOL.md section 12): the status over time. */
export function statusHistoryRoute(
  page: (seconds: number, afterMs: number) => StatusHistoryPage,
  place: () => HubInCluster | undefined,
): Route {
  return {
    method: 'GET',
    path: '/v1/status/history',
    requires: 'admin',
    description: () => ({
      operationId: 'readStatusHistory',
      summary: 'Reads the numbers of the status over time, in equal steps.',
      section: '12',
      details:
        'Up to an hour back the steps have 5 seconds, up to a day 60, and up to a week 600. The history survives a restart. A step that is missing is a time without a running hub.',
      parameters: PARAMETERS,
      responses: [response(200, 'The steps.', json(historySchema(), 'Each list has a value for each of `times`.'))],
      errors: ['invalid_parameter'],
    }),
    handle(request) {
      const values = readQuery(request.query, PARAMETERS);
      const { stepSeconds, times, values: series } = page(SECONDS.read(values) ?? 3600, afterMs(values));
      const cluster = place();
      request.respondJson(200, {
        stepSeconds,
        times: times.map(timestampOrNull),
        values: series,
        ...(cluster && { cluster }),
      });
    },
  };
}

function afterMs(values: ReadonlyMap<string, string>): number {
  const text = AFTER.read(values);
  if (text === undefined) return 0;
  const timeMs = timeMsOf(text);
  if (Number.isNaN(timeMs)) throw invalidParameter('after', 'must be a time: 2027-01-31T12:00:00Z');
  return timeMs;
}

const SERIES_DOC = [
  ...PLAIN_SERIES.map(({ name, kind, doc }) => `\`${name}\` (${wordsOf(kind)}): ${doc}`),
  ...PERCENTILES.map(({ name }) => `\`${name}\``),
].join(' ');

function wordsOf(kind: 'count' | 'gauge' | 'latest'): string {
  return kind === 'count' ? 'within the step' : kind === 'gauge' ? 'the greatest of the step' : 'at its end';
}

const historySchema = named('StatusHistory', () =>
  z.object({
    stepSeconds: z.number().meta({ examples: [5] }),
    times: z.array(time()).describe('The starts of the steps.'),
    values: z
      .record(z.string(), z.array(z.number().nullable()))
      .meta({ description: SERIES_DOC, examples: [{ published: [120] }] }),
    cluster: hubInCluster().optional(),
  }),
);
