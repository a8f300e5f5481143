import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, onTestFinished, test } from 'vitest';
import { FollowerLinks, type FollowerLink } from '../../processes/follower-links.ts';
import { OwnerLink } from '../../processes/owner-link.ts';
import { temporaryFolder } from '../../testing/temporary-folder.ts';
import { testStorageOptions } from '../../testing/test-storage.ts';
import { openStorage } from '../open-storage.ts';
import { FollowedIdentityStore } from './followed-identity-store.ts';

const LOGGER = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

/** The links of an owner, with weak references to the answers of its followers. */
class ObservedLinks extends FollowerLinks {
  readonly answers: WeakRef<object>[] = [];

  override async ask<Answer>(
    name: string,
    body: Buffer,
    timeoutMs: number,
  ): Promise<ReadonlyMap<FollowerLink, Answer>> {
    const answers = await super.ask<Answer>(name, body, timeoutMs);
    this.answers.push(new WeakRef(answers));
    return answers;
  }
}

test('the answers of followers to a change are not held after it', async () => {
  const folder = temporaryFolder();
  const options = testStorageOptions(temporaryFolder());
  const storage = await openStorage(options);
  const followers = new ObservedLinks(LOGGER);
  await followers.listen(folder, () => ({ ...storage.log.state, identity: { keys: [], revocations: [] } }));
  const owner = new OwnerLink(folder, { index: 1, pid: process.pid }, LOGGER);
  owner.on('identity', () => Buffer.from('null'));
  onTestFinished(async () => {
    owner.close();
    followers.close();
    await storage.close();
  });
  await owner.start();
  owner.resume();
  const store = new FollowedIdentityStore(storage.identity, followers);
  for (let number = 0; number < 3; number++) {
    const revocation = { kind: 'user', name: `user-${number}`, issuedBeforeMs: 1, keptUntilMs: 2 } as const;
    store.write([{ kind: 'revocation', revocation }]);
    await store.whenDurable();
  }
  expect(followers.answers).toHaveLength(3);
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  await new Promise<void>((resolve) => void setImmediate(resolve));
  collect();
  expect(followers.answers[0]?.deref()).toBeUndefined();
  // The store itself is in use until here.
  await store.whenDurable();
});
