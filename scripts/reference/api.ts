import { loadConfig } from '../../packages/server/src/config/load.ts';
import { describeApi, type ApiDescription } from '../../packages/server/src/http/openapi/operations.ts';
import { openHub } from '../../packages/server/src/hub.ts';

/**
 * The OpenAPI document of a hub with the default settings. Its routes exist only in a composed hub.
 */
export async function defaultApi(): Promise<ApiDescription> {
  const { config } = loadConfig({
    settings: ['access=rules', 'listen=127.0.0.1:0', 'data=:memory:', 'logging.level=silent'],
  });
  const hub = await openHub(config);
  const description = describeApi(hub.routes);
  await hub.close();
  return description;
}
