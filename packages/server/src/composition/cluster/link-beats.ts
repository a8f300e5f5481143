import type { ProcessChannel } from '../../processes/process-channel.ts';

const BEAT_INTERVAL_MS = 1_000;
/**
 * The other end has sent no beat for this long.
 * A hub that is silent for as long counts as gone, too.
 */
const SILENCE_MS = 5_000;
const NO_BYTES = Buffer.alloc(0);

/**
 * Both ends of a link between two hubs send `beat`, and close it when the other one is silent. The
 * brokers may lose the last messages of a link, and neither end would notice: a lost message is
 * noticed by the one after it. Call the result with each beat of the other end.
 */
export function keepBeating(channel: ProcessChannel): () => void {
  let heardMs = performance.now();
  const timer = setInterval(() => {
    if (performance.now() - heardMs > SILENCE_MS) channel.close();
    else channel.send('beat', NO_BYTES);
  }, BEAT_INTERVAL_MS);
  timer.unref();
  channel.onClose(() => clearInterval(timer));
  return () => void (heardMs = performance.now());
}
