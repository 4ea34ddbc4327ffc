/**
 * The list of commands: dispatch, help, completion and `caisson container …` all derive from it. A command's
 * implementation and its specification are loaded only when they are needed: most of a short command's time is loading.
 */
import type { Command, DescribedCommand } from './command.js';

/** In the order in which help shows them. */
export const COMMANDS: readonly Command[] = [
  {
    name: 'run',
    inContainerGroup: true,
    load: async () => (await import('./commands/run.js')).run,
    spec: async () => (await import('./flags/run.js')).RUN,
  },
  {
    name: 'create',
    inContainerGroup: true,
    load: async () => (await import('./commands/run.js')).create,
    spec: async () => (await import('./flags/create.js')).CREATE,
  },
  {
    name: 'start',
    inContainerGroup: true,
    load: async () => (await import('./commands/lifecycle.js')).start,
    spec: async () => (await import('./flags/start.js')).START,
  },
  {
    name: 'stop',
    inContainerGroup: true,
    load: async () => (await import('./commands/lifecycle.js')).stop,
    spec: async () => (await import('./flags/stop.js')).STOP,
  },
  {
    name: 'restart',
    inContainerGroup: true,
    load: async () => (await import('./commands/lifecycle.js')).restart,
    spec: async () => (await import('./flags/stop.js')).RESTART,
  },
  {
    name: 'kill',
    inContainerGroup: true,
    load: async () => (await import('./commands/lifecycle.js')).kill,
    spec: async () => (await import('./flags/kill.js')).KILL,
  },
  {
    name: 'pause',
    inContainerGroup: true,
    load: async () => (await import('./commands/lifecycle.js')).pause,
    spec: async () => (await import('./flags/pause.js')).PAUSE,
  },
  {
    name: 'unpause',
    inContainerGroup: true,
    load: async () => (await import('./commands/lifecycle.js')).unpause,
    spec: async () => (await import('./flags/pause.js')).UNPAUSE,
  },
  {
    name: 'attach',
    inContainerGroup: true,
    load: async () => (await import('./commands/lifecycle.js')).attach,
    spec: async () => (await import('./flags/attach.js')).ATTACH,
  },
  {
    name: 'exec',
    inContainerGroup: true,
    load: async () => (await import('./commands/exec.js')).exec,
    spec: async () => (await import('./flags/exec.js')).EXEC,
  },
  {
    name: 'logs',
    inContainerGroup: true,
    load: async () => (await import('./commands/logs.js')).logs,
    spec: async () => (await import('./flags/logs.js')).LOGS,
  },
  {
    name: 'rm',
    inContainerGroup: true,
    aliases: ['remove'],
    load: async () => (await import('./commands/lifecycle.js')).rm,
    spec: async () => (await import('./flags/rm.js')).RM,
  },
  {
    name: 'ps',
    inContainerGroup: true,
    aliases: ['ls', 'list'],
    load: async () => (await import('./commands/list.js')).ps,
    spec: async () => (await import('./flags/ps.js')).PS,
  },
  {
    name: 'inspect',
    inContainerGroup: true,
    load: async () => (await import('./commands/list.js')).inspect,
    spec: async () => (await import('./flags/inspect.js')).INSPECT,
  },
  {
    name: 'wait',
    inContainerGroup: true,
    load: async () => (await import('./commands/lifecycle.js')).wait,
    spec: async () => (await import('./flags/wait.js')).WAIT,
  },
  {
    name: 'top',
    inContainerGroup: true,
    load: async () => (await import('./commands/usage.js')).top,
    spec: async () => (await import('./flags/top.js')).TOP,
  },
  {
    name: 'stats',
    inContainerGroup: true,
    load: async () => (await import('./commands/usage.js')).stats,
    spec: async () => (await import('./flags/stats.js')).STATS,
  },
  {
    name: 'events',
    load: async () => (await import('./commands/events.js')).events,
    spec: async () => (await import('./flags/events.js')).EVENTS,
  },
  {
    name: 'rename',
    inContainerGroup: true,
    load: async () => (await import('./commands/lifecycle.js')).rename,
    spec: async () => (await import('./flags/rename.js')).RENAME,
  },
  {
    name: 'update',
    inContainerGroup: true,
    load: async () => (await import('./commands/usage.js')).update,
    spec: async () => (await import('./flags/update.js')).UPDATE,
  },
  {
    name: 'container prune',
    load: async () => (await import('./commands/prune.js')).containerPrune,
    spec: async () => (await import('./flags/prune.js')).CONTAINER_PRUNE,
  },
  {
    name: 'prune',
    load: async () => (await import('./commands/prune.js')).prune,
    spec: async () => (await import('./flags/prune.js')).PRUNE,
  },
  {
    // It takes the word `run` itself, as its only subcommand.
    name: 'explain',
    load: async () => (await import('./commands/explain.js')).explain,
    spec: async () => (await import('./flags/explain.js')).EXPLAIN_RUN,
  },
  {
    name: 'completion',
    load: async () => {
      const { completion } = await import('./commands/completion.js');
      return (args) => completion(args, describeCommands);
    },
    spec: async () => (await import('./flags/completion.js')).COMPLETION,
  },
  {
    name: 'info',
    load: async () => (await import('./commands/info.js')).info,
    spec: async () => (await import('./flags/info.js')).INFO,
  },
  {
    name: 'version',
    load: async () => (await import('./commands/version.js')).version,
    spec: async () => (await import('./flags/version.js')).VERSION,
  },
];

/** Docker's commands that caisson will have. */
const PLANNED = new Set(
  'commit cp diff export history image images import load network port pull push rmi save system tag volume'.split(
    ' ',
  ),
);
const PLANNED_IN_CONTAINER_GROUP = new Set(['commit', 'cp', 'diff', 'export', 'port']);

/** The command of that name: one word, or `container` and one more. */
export function findCommand(name: string): Command | undefined {
  const member = memberOfContainer(name);
  return COMMANDS.find(
    (command) =>
      command.name === name ||
      (member !== undefined &&
        command.inContainerGroup === true &&
        (command.name === member || command.aliases?.includes(member))),
  );
}

export function isPlanned(name: string): boolean {
  return PLANNED.has(name) || PLANNED_IN_CONTAINER_GROUP.has(memberOfContainer(name) ?? '');
}

function memberOfContainer(name: string): string | undefined {
  return name.startsWith('container ') ? name.slice('container '.length) : undefined;
}

/** Every command with its specification, which loads the flags of all of them. */
export function describeCommands(): Promise<readonly DescribedCommand[]> {
  return Promise.all(
    COMMANDS.map(async ({ spec, ...command }) => ({ ...command, spec: await spec() })),
  );
}
