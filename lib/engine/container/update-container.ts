/** Changing the limits and the restart policy of a container. */
import { checkOptions, conflicting } from '../../base/check.js';
import { normalizeResources } from '../options/resources.js';
import { parseRestartPolicy, type RestartPolicy } from '../options/restart-policy.js';
import { recordEvent } from '../store/container-events.js';
import { withLock } from '../../host/locks.js';
import { isActive } from '../store/store.js';
import { POLICY_NUMBERS } from '../supervisor/supervisor-config.js';
import { changeContainer } from './change-container.js';
import type { ContainerContext } from './container-context.js';
import { storedContainer } from './inspect-container.js';
import { SupervisorClient } from './supervisor-client.js';
import {
  type CgroupFileWrite,
  mergeResources,
  planUpdate,
  putBack,
  type ResourceChange,
  updateResources,
  weighScope,
} from './update-limits.js';

export interface UpdateOptions extends ResourceChange {
  /** As in `CreateOptions`. */
  readonly restart?: string | RestartPolicy | undefined;
}

export async function updateContainer(
  context: ContainerContext,
  id: string,
  options: UpdateOptions,
): Promise<void> {
  const { restart, ...change } = checkOptions(options);
  const { store } = context;
  const policy = restart === undefined ? undefined : parseRestartPolicy('restart', restart);
  const supervisor = new SupervisorClient(context, id);
  const tellLimits = (writes: readonly CgroupFileWrite[]) =>
    supervisor.command((connection) => connection.limits(writes));
  const tellPolicy = ({ name, maximumRetryCount }: RestartPolicy) =>
    supervisor.command((connection) => connection.policy(POLICY_NUMBERS[name], maximumRetryCount));
  await withLock(store.paths.runRoot, id, async () => {
    const { config, state } = storedContainer(store, id);
    if (policy !== undefined && policy.name !== 'no' && config.autoRemove)
      throw conflicting('restart', 'the container is removed when it exits');
    const { layout, host } = await context.startContext();
    const limited = { layout, host, location: config };
    const merged = mergeResources(config.options, change, layout);
    const active = isActive(state);
    // Wrong limits are refused before anything is written. Without processes they are checked as the next start would.
    if (active) planUpdate(limited, id, config.options, merged);
    else normalizeResources(merged, host);
    const updated = { ...config, options: merged, restart: policy ?? config.restart };
    await changeContainer(store, updated, state, async (rollback) => {
      let writes: readonly CgroupFileWrite[] = [];
      let before: readonly CgroupFileWrite[] = [];
      if (state.status === 'running') {
        await updateResources(limited, id, config.options, change, (all, old) => {
          writes = all;
          before = old;
        });
        rollback.push(() => putBack(before));
      } else if (state.status === 'restarting') {
        ({ writes } = planUpdate(limited, id, config.options, merged));
        before = planUpdate(limited, id, merged, config.options).writes;
      }
      if (config.cgroupSlice !== undefined && writes.length > 0) {
        rollback.push(() => weighScope(id, before));
        await weighScope(id, writes);
      }
      // For the runs that the supervisor will start: it has a launch program that was compiled with the old limits.
      if (active && writes.length > 0) {
        rollback.push(() => tellLimits(before));
        await tellLimits(writes);
      }
      if (active && policy !== undefined) {
        rollback.push(() => tellPolicy(config.restart));
        await tellPolicy(policy);
      }
    });
    recordEvent(store, updated, 'update');
  });
}
