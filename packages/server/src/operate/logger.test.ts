import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const LOGGER = new URL('logger.ts', import.meta.url).href;

test.each(['json', 'pretty'])('an error is logged with its text, its place and its cause: %s', async (format) => {
  const script = `
    import { createLogger } from ${JSON.stringify(LOGGER)};
    const error = new TypeError('no such part', { cause: new Error('the thread has ended') });
    const logger = createLogger('info', '${format}');
    logger.error({ error, path: '/a' }, 'http: request failed');
    logger.error({ error: 'only a text' }, 'http: request failed');`;
  const { stderr } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script]);
  for (const text of ['TypeError: no such part', '[eval1]:3:', 'the thread has ended', '/a', 'only a text'])
    expect(stderr).toContain(text);
});
