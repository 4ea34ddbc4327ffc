/** Tearing down what containers of dead processes left behind. */
import { existsSync } from 'node:fs';
import { readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { CaissonError } from '../../base/errors.js';
import { planCgroups } from '../../cgroup/limits/plan.js';
import { findAbandoned } from '../../host/owner.js';
import { compileTeardown } from '../../program/compile.js';
import { PARENT_LINK } from '../../program/host-phase/compile-host.js';
import type { StartContext } from '../start/context.js';
import { frozenBase } from '../store/frozen-layers.js';
import type { ContainerContext } from './container-context.js';
import { tearDown } from './tear-down.js';

export async function tearDownAbandoned(context: ContainerContext & StartContext): Promise<void> {
  const { containersRoot, encoder, layout, store } = context;
  const ids = await findAbandoned(containersRoot);
  await Promise.all(
    ids.map(async (id) => {
      // A rootless run, whose supervisor may just be removing it.
      if (store.config(id) !== undefined) return removeRun(context, id);
      const directory = join(containersRoot, id);
      const cgroupParent = await readlink(join(directory, PARENT_LINK)).catch(() => undefined);
      const cgroup = planCgroups(layout, id, {}, { location: { cgroupParent } });
      const teardown = compileTeardown(cgroup, directory);
      await tearDown(encoder.encode(teardown)).catch(() => undefined);
      const { releaseAddresses } = await import('./release-addresses.js');
      await releaseAddresses(store, id).catch(() => undefined);
    }),
  );
  if (existsSync(frozenBase(store))) {
    const { releaseAbandonedLayers } = await import('./release-layers.js');
    await releaseAbandonedLayers(store).catch(() => undefined);
  }
  if (!existsSync(join(store.paths.runRoot, 'networks'))) return;
  const { releaseOrphanedAddresses } = await import('./release-addresses.js');
  await releaseOrphanedAddresses(store).catch(() => undefined);
}

async function removeRun(context: ContainerContext, id: string): Promise<void> {
  const { removeContainer } = await import('./remove-container.js');
  try {
    await removeContainer(context, id, { force: true });
  } catch (error) {
    if (!(error instanceof CaissonError)) throw error;
  }
}
