import { parseArgs, styleText } from 'node:util';
import { CASES } from './cases/index.ts';
import type { Case } from './suite/case.ts';
import { hasRules, runCase } from './suite/run-case.ts';
import { byNumber } from './suite/sections.ts';

const USAGE = `Whether a server speaks PROTOCOL.md.

  node conformance/run.ts --url http://127.0.0.1:7400 [--section 5]

Some cases need the rules of conformance/polycast.yaml; they are passed over where those are not:
  polycast serve --config conformance/polycast.yaml`;

/** The result of a case. */
interface Outcome {
  readonly case: Case;
  readonly state: 'passed' | 'failed' | 'skipped';
  readonly why: string;
}

const MARKS = { passed: styleText('green', '✓'), failed: styleText('red', '✗'), skipped: styleText('yellow', '-') };
const { values } = parseArgs({
  options: { url: { type: 'string' }, section: { type: 'string' }, help: { type: 'boolean' } },
});
if (values.url === undefined || values.help === true) {
  console.log(USAGE);
  process.exitCode = values.help === true ? 0 : 2;
} else await run(values.url.replace(/\/$/, ''), values.section);

async function run(hub: string, section: string | undefined): Promise<void> {
  const rules = await hasRules(hub);
  const isSelected = (each: string): boolean =>
    section === undefined || each === section || each.startsWith(`${section}.`);
  const outcomes: Outcome[] = [];
  for (const each of CASES.filter(({ sections }) => sections.some(isSelected)))
    outcomes.push(await outcomeOf(each, hub, rules));
  const sections = [...new Set(outcomes.flatMap((outcome) => outcome.case.sections))]
    .filter(isSelected)
    .toSorted(byNumber);
  for (const number of sections) {
    console.log(styleText('bold', `\n${number}`));
    for (const {
      case: { name },
      state,
      why,
    } of outcomes.filter((outcome) => outcome.case.sections.includes(number))) {
      console.log(`  ${MARKS[state]} ${name}${why === '' ? '' : `\n      ${why}`}`);
    }
  }
  const count = (state: Outcome['state']): number => outcomes.filter((outcome) => outcome.state === state).length;
  console.log(`\n${count('passed')} passed, ${count('failed')} failed, ${count('skipped')} skipped`);
  process.exitCode = count('failed') === 0 ? 0 : 1;
}

async function outcomeOf(each: Case, hub: string, rules: boolean): Promise<Outcome> {
  if (each.needs === 'rules' && !rules)
    return { case: each, state: 'skipped', why: 'needs the rules of conformance/polycast.yaml' };
  try {
    await runCase(each, hub);
    return { case: each, state: 'passed', why: '' };
  } catch (error) {
    return { case: each, state: 'failed', why: (error as Error).message };
  }
}
