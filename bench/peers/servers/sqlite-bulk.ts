// Usage: `node sqlite-bulk.ts SOURCE TARGET ROWS_PER_COMMIT`. It is SQLite's own bulk insert: it
// copies all rows of the source's largest table into a new file. The file has the same tables,
// indexes and pragmas. It prints one line of JSON. ROWS_PER_COMMIT of 0 is one transaction for all.
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';

const [sourceFile = '', targetFile = '', rowsPerCommitWord = '0'] = process.argv.slice(2);
const rowsPerCommit = Number(rowsPerCommitWord);

const source = new DatabaseSync(sourceFile, { readOnly: true });
const target = new DatabaseSync(targetFile);
const pageSize = source.prepare('PRAGMA page_size').get()?.['page_size'];
target.exec(`PRAGMA page_size = ${pageSize}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;`);

const objects = source
  .prepare("SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'")
  .all();
for (const { sql } of objects.toSorted((a, b) => rank(a['type']) - rank(b['type']))) target.exec(String(sql));

const tables = objects.filter(({ type }) => type === 'table').map(({ name }) => String(name));
const largest = tables.toSorted((a, b) => rowsIn(b) - rowsIn(a))[0] ?? '';
const select = source.prepare(`SELECT * FROM "${largest}"`);
select.setReadBigInts(true);
const rows = select.all();
const columns = Object.keys(rows[0] ?? {});
const insert = target.prepare(
  `INSERT INTO "${largest}" (${columns.map((name) => `"${name}"`).join(',')}) VALUES (${columns.map(() => '?').join(',')})`,
);
const values = rows.map((row) => columns.map((name) => row[name] as SQLInputValue));

const startedMs = performance.now();
target.exec('BEGIN');
for (const [index, row] of values.entries()) {
  if (rowsPerCommit > 0 && index > 0 && index % rowsPerCommit === 0) target.exec('COMMIT; BEGIN');
  insert.run(...row);
}
target.exec('COMMIT');
const seconds = (performance.now() - startedMs) / 1000;
console.log(JSON.stringify({ events: values.length, seconds, eventsPerSecond: values.length / seconds }));

function rank(type: unknown): number {
  return type === 'table' ? 0 : 1;
}

function rowsIn(table: string): number {
  return Number(source.prepare(`SELECT count(*) AS total FROM "${table}"`).get()?.['total']);
}
