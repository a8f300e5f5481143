import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { ROUND_FAULTS, runRound } from './fault-round.ts';

/**
 * Lets 1,000 random faults happen to clusters of three hubs and three brokers, all real processes:
 * `node conformance/cluster/faults/run.ts --faults 1000 --report 1000-faults.txt`. Each round has a
 * new cluster and a line in the report. A run that was interrupted goes on after the last line.
 * `--from 17 --faults 20` repeats round 17. It exits with 1 if a round of the report failed.
 *
 * `--older PATH` names an earlier version: `polycast.ts` of an older commit. All rounds begin with
 * it then. Without it, the earlier version is this one with the feature level 3.
 */
/** A round on a busy machine has fewer faults. */
const ROUND_TIME_MS_MAX = 170_000;
const FAILED = ': FAILED ';

const { values } = parseArgs({
  options: {
    faults: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    older: { type: 'string' },
    report: { type: 'string' },
  },
});
const { report: file } = values;
const before = file !== undefined && existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [];
const rounds = before.filter((line) => line.startsWith('round '));
if (rounds.some((line) => line.includes(FAILED))) process.exitCode = 1;
const first = Number(values.from) + rounds.length;
const end = Number(values.from) + Math.ceil(Number(values.faults) / ROUND_FAULTS);
const older = values.older === undefined ? undefined : { command: values.older, nodeOptions: '' };
// An exit ends all processes, also those that are paused.
process.on('SIGTERM', () => process.exit(143));
for (let round = first; round < end; round++) {
  const startMs = performance.now();
  const report = (line: string): void => console.log(line);
  const { faults, text, failure } = await runRound(round, { timeMsMax: ROUND_TIME_MS_MAX, older, report });
  const seconds = Math.round((performance.now() - startMs) / 1000);
  let outcome = `: ${text}`;
  if (failure !== undefined) {
    process.exitCode = 1;
    outcome = `${FAILED}${text}: ${failure.message.replaceAll('\n', ' ').slice(0, 500)}`;
  }
  const line = `round ${round}: ${faults.length} faults in ${seconds} s${outcome}`;
  console.log(line);
  if (file !== undefined) appendFileSync(file, `${line}\n`);
}
process.exit();
