import { join } from 'node:path';
import { rolldown } from 'rolldown';

/** Where the hub finds what it serves at `/client.js`. */
export const CLIENT_BUNDLE: string = join(import.meta.dirname, 'generated/client.js');

/** Bundles the client and what it uses of `@polycast/protocol` into one minified module without any import. */
export async function buildClient(): Promise<void> {
  const bundle = await rolldown({
    input: join(import.meta.dirname, 'src/index.ts'),
    platform: 'browser',
    // Nothing in the client or the protocol works by being imported alone.
    treeshake: { moduleSideEffects: false },
  });
  await bundle.write({ file: CLIENT_BUNDLE, format: 'esm', minify: true });
  await bundle.close();
}

if (import.meta.main) await buildClient();
