import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startHubProcess } from '../testing/hub-process.ts';
import { openOtlpReceiver } from '../testing/otlp-receiver.ts';
import { temporaryFolder } from '../testing/temporary-folder.ts';

/** Writes the URL of each module that the process loads. */
const RECORDER = `
import { appendFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
registerHooks({
  load(url, context, nextLoad) {
    appendFileSync(process.env.LOADED_MODULES, url + '\\n');
    return nextLoad(url, context);
  },
});`;

/** The modules that a hub has loaded after an event was published and pulled. */
async function loadedModules(environment: Readonly<Record<string, string>>): Promise<readonly string[]> {
  const folder = temporaryFolder();
  const [recorder, list] = [join(folder, 'recorder.mjs'), join(folder, 'modules.txt')];
  writeFileSync(recorder, RECORDER);
  const hub = await startHubProcess({ LOADED_MODULES: list, ...environment }, ['--import', recorder]);
  const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
  const { id } = await hub.post('/v1/subscriptions', { channels: ['a'], delivery: { kind: 'pull' } });
  await hub.post('/v1/events', { channel: 'a', data: 1, traceparent });
  expect(await hub.post(`/v1/subscriptions/${String(id)}/pull`, {})).toMatchObject({ events: [{ traceparent }] });
  expect((await fetch(`${hub.url}/metrics`)).status).toBe(200);
  await hub.stop();
  return readFileSync(list, 'utf8').split('\n');
}

const TELEMETRY = /@opentelemetry|src\/telemetry\//;

test('a hub without an endpoint loads no module of OpenTelemetry, and one with an endpoint does', async () => {
  const without = await loadedModules({ OTEL_SERVICE_NAME: 'shop' });
  expect(without.filter((url) => TELEMETRY.test(url))).toEqual([]);
  expect(without.some((url) => url.endsWith('/core/publish.ts'))).toBe(true);
  const { url } = await openOtlpReceiver();
  const loaded = await loadedModules({ OTEL_EXPORTER_OTLP_ENDPOINT: url });
  expect(loaded.filter((each) => TELEMETRY.test(each)).length).toBeGreaterThan(10);
});
