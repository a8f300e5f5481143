import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ERRORS, type ErrorCode } from '@polycast/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { CODES_COVERED_ELSEWHERE, SECTIONS_COVERED_ELSEWHERE } from './cases/covered-elsewhere.ts';
import { CASES } from './cases/index.ts';
import { startHubProcess, type HubProcess } from './kit/hub-process.ts';
import { hasRules, runCase } from './suite/run-case.ts';
import { protocolSections } from './suite/sections.ts';

const ROOT = join(import.meta.dirname, '..');

describe('a hub speaks PROTOCOL.md', () => {
  let hub: HubProcess;
  beforeAll(async () => {
    const config = parse(readFileSync(join(import.meta.dirname, 'polycast.yaml'), 'utf8')) as Readonly<
      Record<string, unknown>
    >;
    hub = await startHubProcess({ config });
  });
  afterAll(() => hub.end('SIGKILL'));

  test('applies the channel rules that some cases need', async () => {
    expect(await hasRules(hub.url)).toBe(true);
  });

  test.each(CASES.map((each) => ({ each, title: `${each.sections.join(' ')}: ${each.name}` })))(
    '$title',
    async ({ each }) => {
      await runCase(each, hub.url);
    },
  );
});

describe('the coverage of PROTOCOL.md by the cases', () => {
  const provoked = JSON.stringify(CASES);

  test.each(protocolSections())('section %s is cited by a case, or shown elsewhere', (section) => {
    const covered = SECTIONS_COVERED_ELSEWHERE[section];
    if (covered === undefined) expect(CASES.filter(({ sections }) => sections.includes(section))).not.toEqual([]);
    else expect(existsSync(join(ROOT, covered.file))).toBe(true);
  });

  test('every cited section exists', () => {
    const known = protocolSections();
    expect(CASES.flatMap(({ sections }) => sections).filter((section) => !known.includes(section))).toEqual([]);
  });

  test.each(Object.keys(ERRORS) as ErrorCode[])('the code %s is provoked by a case, or shown elsewhere', (code) => {
    const covered = CODES_COVERED_ELSEWHERE[code];
    if (covered === undefined) expect(provoked.includes(`"${code}`)).toBe(true);
    else if (code === 'idempotency_in_progress' || code === 'request_timeout')
      expect(existsSync(join(ROOT, covered.file))).toBe(true);
    else expect(readFileSync(join(ROOT, covered.file), 'utf8')).toContain(code);
  });
});
