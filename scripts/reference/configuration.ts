import { FIELDS, type FieldReference } from '../../packages/server/src/config/reference.ts';
import { code, page, table } from './markdown.ts';

const SOURCE = '`packages/server/src/config/settings/config-schema.ts` and the tables that it imports';

/** docs/reference/configuration.md */
export function configurationPage(): string {
  return page(
    'Configuration',
    SOURCE,
    'A hub is configured by one YAML file (`polycast serve --config polycast.yaml`, or `POLYCAST_CONFIG`), by environment variables and by flags. Flags override variables, and variables override the file. Each field has a variable. You can set any field with `--set path=value`, with the value as in YAML. `polycast config check` lists every problem. `polycast config print` shows where each field was set. `polycast config reference` prints a file to start from.',
    `The [defaults](../defaults.md) page gives the reason for each default.`,
    '## A small file',
    '```yaml\nlisten: 127.0.0.1:7400\ndata: /var/lib/polycast\nrules:\n  - pattern: prices.>\n    retain: latest\n  - pattern: typing.*\n    retain: none\n```',
    '## Reload',
    'A running hub reads its configuration again on `polycast reload`, on `POST /v1/reload` with an admin key, and on SIGHUP. It applies the changed settings of this table, and names other changed settings, which need a restart. It checks the whole configuration first: an invalid one changes nothing. Variables and flags are those of the start.',
    liveTable(),
    'A reload also reads the files again that the configuration names: certificates, and keys of `identity.tokens`. If other rules allow a live session less, the session loses the channels concerned, or ends with `forbidden`. Sessions of a key that is no longer configured end. A channel that gets or loses `presence` needs a restart for that. Open connections stay within the limits that they were opened with.',
    '## Rules',
    'The value of each setting comes from the first rule in the list that matches the channel and has the setting, otherwise from `defaults`. A rule has a `pattern` and any of the settings of `defaults`. `null` means no limit.',
    ...sections().flatMap(([name, fields]) => [`## ${name === '' ? 'The hub' : `\`${name}\``}`, ...fields.map(entry)]),
  );
}

/** docs/defaults.md */
export function defaultsPage(): string {
  return page(
    'The defaults, and why',
    SOURCE,
    'Every limit, time and size of a hub has a name, a default and a reason. The [configuration reference](reference/configuration.md) describes each field, and the outcome at its limit.',
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

/** The ways in which a changed setting takes effect. */
const LIVE: Readonly<Record<string, string>> = {
  true: 'live',
  between_values: 'live from one value to another; from or to null: restart',
  false: 'restart',
};

function liveTable(): string {
  return table(
    ['setting', 'a change is applied by'],
    FIELDS.map(({ path, live = false }) => [
      code(path),
      live === false ? 'a restart' : live === true ? '**a reload**' : '**a reload**; from or to null: a restart',
    ]),
  );
}

function entry(field: FieldReference): string {
  const facts = table(
    ['', ''],
    [
      ['value', field.form],
      ['default', shown(field)],
      ['variable', code(field.environment)],
      ['change', LIVE[String(field.live ?? false)] as string],
    ],
  );
  return `### \`${field.path}\`\n\n${field.doc}\n\n${facts}`;
}

function shown({ default: value }: FieldReference): string {
  if (value === undefined) return 'not set';
  return code(typeof value === 'string' ? value : JSON.stringify(value));
}
