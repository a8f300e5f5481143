import * as yaml from 'yaml';
import type { Config } from './settings/config-schema.ts';
import { FIELDS, type FieldReference } from './reference.ts';

const COLUMNS_MAX = 110;

/**
 * The defaults as a YAML file in which a comment describes each field. The file is valid as it is,
 * and can be changed line by line.
 */
export function annotatedConfig(): string {
  const lines = ['# The configuration of a Polycast hub. Every field is here with its default.'];
  let sections: readonly string[] = [];
  for (const field of FIELDS) {
    const sectionsOfField = field.path.split('.');
    const name = sectionsOfField.pop() as string;
    const firstNewSection = sectionsOfField.findIndex((section, depth) => section !== sections[depth]);
    if (firstNewSection >= 0) {
      if (firstNewSection === 0) lines.push('');
      for (let depth = firstNewSection; depth < sectionsOfField.length; depth++)
        lines.push(`${indentOf(depth)}${sectionsOfField[depth]}:`);
    }
    sections = sectionsOfField;
    const commentLines = annotate(field, name, indentOf(sectionsOfField.length));
    lines.push(...(lines.at(-1)?.endsWith(':') ? commentLines.slice(1) : commentLines));
  }
  return `${lines.join('\n')}\n`;
}

/**
 * A configuration as YAML. A comment gives the origin of each field that was set. Secrets are not
 * shown.
 */
export function configWithOrigins(config: Config, origins: ReadonlyMap<string, string>): string {
  const document = new yaml.Document(config);
  yaml.visit(document, {
    Pair(_, { key, value }, ancestors) {
      const keys = ancestors.filter(yaml.isPair).map((pair) => String(pair.key));
      // The headers of telemetry carry the key of the endpoint.
      const isSecret = String(key) === 'secret' || keys.join('.') === 'telemetry.headers';
      if (isSecret && yaml.isScalar(value) && value.value !== null) value.value = '(not shown)';
      const origin = origins.get([...keys, String(key)].join('.'));
      if (origin === undefined || !yaml.isNode(value)) return;
      // Behind a value on the same line, but above a list, which may be long.
      if (yaml.isScalar(value)) value.comment = ` ${origin}`;
      else if (yaml.isNode(key)) key.commentBefore = ` ${origin}`;
    },
  });
  return document.toString({ lineWidth: 120 });
}

/** A configuration for programs, as `configWithOrigins` shows it to people. */
export function withoutSecrets(config: Config): unknown {
  return JSON.parse(
    JSON.stringify(config, (name, value: unknown) => (name === 'secret' && value !== null ? '(not shown)' : value)),
  );
}

function indentOf(depth: number): string {
  return '  '.repeat(depth);
}

function annotate({ form, doc, environment, default: value }: FieldReference, name: string, indent: string): string[] {
  const commentLines = [...comment(doc.replaceAll('`', '')), ...comment(`${form.replaceAll('`', '')}. ${environment}`)];
  // A field without a default has no valid line, so its line is a comment.
  const line = value === undefined ? `# ${name}:` : `${name}: ${JSON.stringify(value)}`;
  return ['', ...[...commentLines, line].map((text) => indent + text)];
}

function comment(text: string): string[] {
  const lines = ['#'];
  for (const word of text.split(' ')) {
    if ((lines.at(-1) as string).length + word.length >= COLUMNS_MAX) lines.push('#');
    lines[lines.length - 1] += ` ${word}`;
  }
  return lines;
}
