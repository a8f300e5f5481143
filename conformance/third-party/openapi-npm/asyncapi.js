// asyncapi.js FILE: prints what the parser of AsyncAPI finds, and its errors and warnings.
import { readFileSync } from 'node:fs';
import { Parser } from '@asyncapi/parser';

const { document, diagnostics } = await new Parser().parse(readFileSync(process.argv[2], 'utf8'));
const WARNING = 1;
console.log(
  JSON.stringify({
    channels: document
      ?.channels()
      .all()
      .map((channel) => channel.id())
      .toSorted(),
    operations: document?.operations().all().length,
    diagnostics: diagnostics
      .filter(({ severity }) => severity <= WARNING)
      .map(({ code, message, path }) => `${code} ${path.join('.')}: ${message}`),
  }),
);
