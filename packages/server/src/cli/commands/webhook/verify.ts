import { SECRET_FORMS_HELP, resolveSecret } from '../../secret-argument.ts';
import { usageError, type Command, type Input } from '../../command.ts';
import { diagnose } from './diagnosis.ts';
import { readCapturedRequest } from './captured-request.ts';
import { wrongSecret } from './key-interpretations.ts';

const TOLERANCE_SECONDS = 300;

export const webhookVerify: Command = {
  name: 'webhook verify',
  summary: 'Checks the signature of a webhook, and says what is wrong with it.',
  usage: '[file]',
  argumentsMin: 0,
  argumentsMax: 1,
  details:
    'The file is a whole HTTP request as it came, or its body, byte for byte; without one it is read from standard input. Whatever does not fit is tried in other forms: of the secret, the body, the id, the time; so the answer names what was changed. Nothing is sent anywhere.',
  options: {
    secret: {
      value: 'SECRET',
      short: 's',
      multiple: true,
      doc: `whsec_… or whpk_…, repeatable; ${SECRET_FORMS_HELP} (or POLYCAST_WEBHOOK_SECRET): neither can be seen by other users of this machine.`,
    },
    headers: { value: 'FILE', doc: 'A file of the headers, a line each: Name: value.' },
    id: { value: 'ID', doc: 'The header webhook-id.' },
    timestamp: { value: 'SECONDS', doc: 'The header webhook-timestamp.' },
    signature: { value: 'LIST', doc: 'The header webhook-signature.' },
    at: { value: 'TIME', doc: 'When it came, such as 2026-11-20T12:00:00Z; now unless given.' },
    tolerance: { value: 'SECONDS', doc: `How far its time may be from that; ${TOLERANCE_SECONDS} unless given.` },
  },
  examples: [
    {
      command: 'polycast webhook verify request.http --secret whsec_…',
      description: 'a request that was kept as it came',
    },
    {
      command: 'polycast webhook verify body.json --headers headers.txt --at 2026-11-20T12:00:00Z',
      description: 'its body and headers, as of then',
    },
  ],
  async run(input, terminal) {
    const at = input.text('at');
    const nowMs = at === undefined ? Date.now() : Date.parse(at);
    if (Number.isNaN(nowMs)) throw usageError(webhookVerify, `--at ${at}: a time like 2026-11-20T12:00:00Z is wanted`);
    // The file is read first, so that a wrong file name is reported before a missing secret.
    const { request, hasMore } = await readCapturedRequest(input);
    const secrets = secretsOf(input);
    const toleranceSeconds = input.number('tolerance', 0) ?? TOLERANCE_SECONDS;
    const { isValid, lines } = diagnose(request, secrets, { nowMs, toleranceSeconds });
    for (const [index, line] of lines.entries())
      terminal.out(index === 0 ? terminal.style(isValid ? 'green' : 'red', line) : line);
    if (hasMore) terminal.notice('There are more requests in it: this is about the first.');
    return isValid ? 'done' : 'failed';
  },
};

function secretsOf(input: Input): readonly string[] {
  const given = input.texts('secret').map(resolveSecret);
  const secrets = given.length > 0 ? given : (process.env['POLYCAST_WEBHOOK_SECRET']?.split(/\s+/) ?? []);
  if (!secrets.some((secret) => secret.trim() !== ''))
    throw usageError(webhookVerify, 'name the secret with --secret, or by POLYCAST_WEBHOOK_SECRET');
  const wrong = secrets.map(wrongSecret).find((message) => message !== undefined);
  if (wrong !== undefined) throw usageError(webhookVerify, wrong);
  return secrets;
}
