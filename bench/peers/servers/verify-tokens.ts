// node verify-tokens.ts FILE KEY SECONDS: only verifies the ES256 tokens of a file, one by one.
import { createPublicKey, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';

const [tokensFile = '', keyFile = '', seconds = ''] = process.argv.slice(2);
const key = createPublicKey(readFileSync(keyFile));
const tokens = readFileSync(tokensFile, 'utf8').split('\n');
const parts = tokens.map((token) => {
  const dot = token.lastIndexOf('.');
  return { signed: Buffer.from(token.slice(0, dot)), signature: Buffer.from(token.slice(dot + 1), 'base64url') };
});

const untilMs = performance.now() + Number(seconds) * 1000;
const startedMs = performance.now();
const cpuBefore = process.cpuUsage();
let verified = 0;
while (performance.now() < untilMs) {
  for (const { signed, signature } of parts.slice(0, 100)) {
    if (!verify('sha256', signed, { key, dsaEncoding: 'ieee-p1363' }, signature))
      throw new Error('a token is not right');
    verified++;
  }
  parts.push(...parts.splice(0, 100));
}
const cpu = process.cpuUsage(cpuBefore);
const metrics = {
  perSecond: (verified / (performance.now() - startedMs)) * 1000,
  cpuMicrosecondsEach: (cpu.user + cpu.system) / verified,
};
console.log(JSON.stringify(metrics));
