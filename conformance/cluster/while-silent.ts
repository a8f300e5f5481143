import type { UsersHub } from '../identity/kit/users-hub.ts';
import { until } from '../kit/wait.ts';

/**
 * Asks one of two hubs while the other one stands still, and returns the answers. The other one
 * counts as running for some seconds. If a busy machine asks later, the hub goes on, and both begin
 * again.
 */
export async function whileSilent<Answers>(
  [asked, silent]: readonly [UsersHub, UsersHub],
  ask: () => Promise<Answers>,
  isInTime: (answers: Answers) => boolean,
): Promise<Answers> {
  const { child } = silent.process;
  let answers: Answers | undefined;
  await until('the hub is asked in time', async () => {
    await until('both hubs run', async () => (await runningHubs(asked)) === 2);
    child.kill('SIGSTOP');
    answers = await ask();
    child.kill('SIGCONT');
    return isInTime(answers);
  });
  return answers as Answers;
}

async function runningHubs(hub: UsersHub): Promise<number> {
  const { hubs } = (await hub.request('GET', '/v1/cluster')).json<{ hubs: readonly { readonly state: string }[] }>();
  return hubs.filter(({ state }) => state === 'answers').length;
}
