import { FIELDS, type FieldReference } from '../../packages/server/src/config/reference.ts';
import { code, page, table } from './markdown.ts';

const SOURCE = '`packages/server/src/config/settings/config-schema.ts` and the tables beside it';

/** docs/reference/configuration.md */
export function configurationPage(): string {
  return page(
    'Configuration',
    SOURCE,
    'A hub is configured by one YAML file (`polycast serve --config polycast.yaml`, or `POLYCAST_CONFIG`), by environment variables and by flags. Flags go before variables, variables before the file. Each field has a variable; any field can be set with `--set path=value`, the value as in YAML. `polycast config check` tells every problem at once, `polycast config print` where each field was set, `polycast config reference` prints a file to begin with.',
    `What the defaults are and why: [defaults](../defaults.md).`,
    '## A small file',
    '```yaml\nlisten: 127.0.0.1:8080\ndata: /var/lib/polycast\nrules:\n  - pattern: prices.>\n    retain: latest\n  - pattern: typing.*\n    retain: none\n```',
    '## Rules',
    'Each setting of a channel comes from the first rule in the list whose pattern covers it and that sets it, else from `defaults`. A rule has a `pattern` and any of the settings of `defaults`; `null` means no bound.',
    ...sections().flatMap(([name, fields]) => [`## ${name === '' ? 'The hub' : `\`${name}\``}`, ...fields.map(entry)]),
  );
}

/** docs/defaults.md */
export function defaultsPage(): string {
  return page(
    'The defaults, and why',
    SOURCE,
    'Every limit, time and size of a hub has a name, a default and a reason. What each field does and what happens at the limit stands in the [configuration reference](reference/configuration.md).',
    ...sections().flatMap(([name, fields]) => [
      `## ${name === '' ? 'The hub' : `\`${name}\``}`,
      table(
        ['field', 'default', 'why'],
        fields.map((field) => [code(field.path), shown(field), field.why]),
      ),
    ]),
  );
}

function sections(): [string, FieldReference[]][] {
  return [...Map.groupBy(FIELDS, ({ path }) => (path.includes('.') ? path.slice(0, path.indexOf('.')) : ''))];
}

function entry(field: FieldReference): string {
  const facts = table(
    ['', ''],
    [
      ['value', field.form],
      ['default', shown(field)],
      ['variable', code(field.environment)],
    ],
  );
  return `### \`${field.path}\`\n\n${field.doc}\n\n${facts}`;
}

function shown({ default: value }: FieldReference): string {
  if (value === undefined) return 'not set';
  return code(typeof value === 'string' ? value : JSON.stringify(value));
}
