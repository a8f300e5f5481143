/** A comment in the file that it is generated, and from which source. */
export function page(title: string, source: string, ...blocks: readonly string[]): string {
  const notice = `<!-- Generated from ${source} by \`node scripts/generate-docs.ts\`; change it there. -->`;
  return `${[notice, `# ${title}`, ...blocks].join('\n\n')}\n`;
}

/** A table; cells may contain any inline Markdown. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`;
  return [line(headings), line(headings.map(() => '---')), ...rows.map(line)].join('\n');
}

export function code(text: string): string {
  return `\`${text}\``;
}

function cell(text: string): string {
  return text.replaceAll('|', String.raw`\|`).replaceAll('\n', ' ');
}
