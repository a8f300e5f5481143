import { SECRET_FORMS_HELP, resolveSecret } from '../../input.ts';
import { JSON_DOCUMENT, usageError, type Command, type Input } from '../../command.ts';
import { diagnose } from './diagnosis.ts';
import { readCapturedRequest } from './captured-request.ts';
import { wrongSecret } from './key-interpretations.ts';

const TOLERANCE_SECONDS = 300;

export const webhookVerify: Command = {
  name: 'webhook verify',
  summary: 'Checks the signature of a webhook and explains why it is invalid.',
  usage: '[file]',
  argumentsMin: 0,
  argumentsMax: 1,
  details:
    'The file is a complete HTTP request, or its body, byte for byte. Without a file the command reads standard input. If the signature does not match, it tries variants of the secret, the body, the id and the time, to find what was changed. It sends nothing over the network.',
  options: {
    secret: {
      value: 'SECRET',
      short: 's',
      multiple: true,
      doc: `whsec_… or whpk_…, repeatable; ${SECRET_FORMS_HELP} (or POLYCAST_WEBHOOK_SECRET). These forms keep it out of the list of processes.`,
    },
    headers: { value: 'FILE', doc: 'A file with the headers, one per line: Name: value.' },
    id: { value: 'ID', doc: 'The header webhook-id.' },
    timestamp: { value: 'SECONDS', doc: 'The header webhook-timestamp.' },
    signature: { value: 'LIST', doc: 'The header webhook-signature.' },
    at: { value: 'TIME', doc: 'The time of its arrival, such as 2026-11-20T12:00:00Z; now by default.' },
    tolerance: {
      value: 'SECONDS',
      doc: `The tolerated difference between that and its timestamp; ${TOLERANCE_SECONDS} by default.`,
    },
    json: JSON_DOCUMENT,
  },
  examples: [
    {
      command: 'polycast webhook verify request.http --secret whsec_…',
      description: 'a complete recorded request',
    },
    {
      command: 'polycast webhook verify body.json --headers headers.txt --at 2026-11-20T12:00:00Z',
      description: 'body and headers, at the time of arrival',
    },
  ],
  async run(input, terminal) {
    const at = input.text('at');
    const nowMs = at === undefined ? Date.now() : Date.parse(at);
    if (Number.isNaN(nowMs)) throw usageError(webhookVerify, `--at ${at}: must be a time such as 2026-11-20T12:00:00Z`);
    // The file is read first, so that a wrong file name is reported before a missing secret.
    const { request, hasMore } = await readCapturedRequest(input);
    const secrets = secretsOf(input);
    const toleranceSeconds = input.number('tolerance', 0) ?? TOLERANCE_SECONDS;
    const { isValid, lines } = diagnose(request, secrets, { nowMs, toleranceSeconds });
    const [result, ...hints] = lines;
    if (input.flag('json')) terminal.out(JSON.stringify({ valid: isValid, result, hints }));
    else
      for (const [index, line] of lines.entries())
        terminal.out(index === 0 ? terminal.style(isValid ? 'green' : 'red', line) : line);
    if (hasMore) terminal.notice('The file contains several requests. The command checks the first.');
    return isValid ? 'done' : 'failed';
  },
};

function secretsOf(input: Input): readonly string[] {
  const given = input.texts('secret').map(resolveSecret);
  const secrets = given.length > 0 ? given : (process.env['POLYCAST_WEBHOOK_SECRET']?.split(/\s+/) ?? []);
  if (!secrets.some((secret) => secret.trim() !== ''))
    throw usageError(webhookVerify, 'give the secret with --secret or POLYCAST_WEBHOOK_SECRET');
  const wrong = secrets.map(wrongSecret).find((message) => message !== undefined);
  if (wrong !== undefined) throw usageError(webhookVerify, wrong);
  return secrets;
}
