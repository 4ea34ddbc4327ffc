/** kill -9 of processes that change images. */
import { KILLED_VERBS, killImageVerb } from '../support/image-kills.js';
import type { Ground } from './support/ground.js';

export async function imageKills(ground: Ground, short: boolean): Promise<void> {
  const kills = short ? 2 : 200 / KILLED_VERBS.length;
  const engine = await ground.openEngine();
  const { directory, dataRoot, runRoot, busybox, signal } = ground;
  for (const verb of KILLED_VERBS)
    await killImageVerb(
      { engine, directory, dataRoot, runRoot, rootfs: busybox },
      verb,
      kills,
      signal,
    );
  ground.say(`${kills} kills of each of ${KILLED_VERBS.join(', ')}`);
  await ground.expectNothing();
}
