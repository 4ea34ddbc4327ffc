/**
 * The list of commands: dispatch, help, completion and `caisson container …` all derive from it. A command's
 * implementation and its specification are loaded only when they are needed: most of a short command's time is loading.
 */
import { type Command, type DescribedCommand, namesOf } from './command.js';

/** In the order in which help shows them. */
export const COMMANDS: readonly Command[] = [
  {
    name: 'run',
    inContainerGroup: true,
    load: async () => (await import('./commands/run-commands.js')).run,
    spec: async () => (await import('./flags/run-flags.js')).RUN,
  },
  {
    name: 'create',
    inContainerGroup: true,
    load: async () => (await import('./commands/run-commands.js')).create,
    spec: async () => (await import('./flags/create-flags.js')).CREATE,
  },
  {
    name: 'start',
    inContainerGroup: true,
    load: async () => (await import('./commands/lifecycle-commands.js')).start,
    spec: async () => (await import('./flags/start-flags.js')).START,
  },
  {
    name: 'stop',
    inContainerGroup: true,
    load: async () => (await import('./commands/lifecycle-commands.js')).stop,
    spec: async () => (await import('./flags/stop-flags.js')).STOP,
  },
  {
    name: 'restart',
    inContainerGroup: true,
    load: async () => (await import('./commands/lifecycle-commands.js')).restart,
    spec: async () => (await import('./flags/stop-flags.js')).RESTART,
  },
  {
    name: 'kill',
    inContainerGroup: true,
    load: async () => (await import('./commands/lifecycle-commands.js')).kill,
    spec: async () => (await import('./flags/kill-flags.js')).KILL,
  },
  {
    name: 'pause',
    inContainerGroup: true,
    load: async () => (await import('./commands/lifecycle-commands.js')).pause,
    spec: async () => (await import('./flags/pause-flags.js')).PAUSE,
  },
  {
    name: 'unpause',
    inContainerGroup: true,
    load: async () => (await import('./commands/lifecycle-commands.js')).unpause,
    spec: async () => (await import('./flags/pause-flags.js')).UNPAUSE,
  },
  {
    name: 'attach',
    inContainerGroup: true,
    load: async () => (await import('./commands/lifecycle-commands.js')).attach,
    spec: async () => (await import('./flags/attach-flags.js')).ATTACH,
  },
  {
    name: 'exec',
    inContainerGroup: true,
    load: async () => (await import('./commands/exec-command.js')).exec,
    spec: async () => (await import('./flags/exec-flags.js')).EXEC,
  },
  {
    name: 'logs',
    inContainerGroup: true,
    load: async () => (await import('./commands/logs-command.js')).logs,
    spec: async () => (await import('./flags/logs-flags.js')).LOGS,
  },
  {
    name: 'rm',
    inContainerGroup: true,
    aliases: ['remove'],
    load: async () => (await import('./commands/lifecycle-commands.js')).rm,
    spec: async () => (await import('./flags/rm-flags.js')).RM,
  },
  {
    name: 'ps',
    inContainerGroup: true,
    aliases: ['ls', 'list'],
    load: async () => (await import('./commands/list-commands.js')).ps,
    spec: async () => (await import('./flags/ps-flags.js')).PS,
  },
  {
    name: 'inspect',
    load: async () => (await import('./commands/inspect-command.js')).inspect,
    spec: async () => (await import('./flags/inspect-flags.js')).INSPECT,
  },
  {
    name: 'container inspect',
    load: async () => (await import('./commands/inspect-command.js')).containerInspect,
    spec: async () => (await import('./flags/inspect-flags.js')).CONTAINER_INSPECT,
  },
  {
    name: 'port',
    inContainerGroup: true,
    load: async () => (await import('./commands/port-command.js')).port,
    spec: async () => (await import('./flags/port-flags.js')).PORT,
  },
  {
    name: 'cp',
    inContainerGroup: true,
    load: async () => (await import('./commands/cp-command.js')).cp,
    spec: async () => (await import('./flags/files-flags.js')).CP,
  },
  {
    name: 'commit',
    inContainerGroup: true,
    load: async () => (await import('./commands/commit-command.js')).commit,
    spec: async () => (await import('./flags/commit-flags.js')).COMMIT,
  },
  {
    name: 'diff',
    inContainerGroup: true,
    load: async () => (await import('./commands/files-commands.js')).diff,
    spec: async () => (await import('./flags/files-flags.js')).DIFF,
  },
  {
    name: 'export',
    inContainerGroup: true,
    load: async () => (await import('./commands/files-commands.js')).exportFiles,
    spec: async () => (await import('./flags/files-flags.js')).EXPORT,
  },
  {
    name: 'wait',
    inContainerGroup: true,
    load: async () => (await import('./commands/lifecycle-commands.js')).wait,
    spec: async () => (await import('./flags/wait-flags.js')).WAIT,
  },
  {
    name: 'top',
    inContainerGroup: true,
    load: async () => (await import('./commands/usage-commands.js')).top,
    spec: async () => (await import('./flags/top-flags.js')).TOP,
  },
  {
    name: 'stats',
    inContainerGroup: true,
    load: async () => (await import('./commands/usage-commands.js')).stats,
    spec: async () => (await import('./flags/stats-flags.js')).STATS,
  },
  {
    name: 'events',
    otherNames: ['system events'],
    load: async () => (await import('./commands/events-command.js')).events,
    spec: async () => (await import('./flags/events-flags.js')).EVENTS,
  },
  {
    name: 'rename',
    inContainerGroup: true,
    load: async () => (await import('./commands/lifecycle-commands.js')).rename,
    spec: async () => (await import('./flags/rename-flags.js')).RENAME,
  },
  {
    name: 'update',
    inContainerGroup: true,
    load: async () => (await import('./commands/usage-commands.js')).update,
    spec: async () => (await import('./flags/update-flags.js')).UPDATE,
  },
  {
    name: 'container prune',
    load: async () => (await import('./commands/prune-commands.js')).containerPrune,
    spec: async () => (await import('./flags/prune-flags.js')).CONTAINER_PRUNE,
  },
  {
    name: 'build',
    otherNames: ['image build'],
    load: async () => (await import('./commands/build-command.js')).build,
    spec: async () => (await import('./flags/build-flags.js')).BUILD,
  },
  {
    name: 'builder prune',
    load: async () => (await import('./commands/builder-command.js')).builderPrune,
    spec: async () => (await import('./flags/build-flags.js')).BUILDER_PRUNE,
  },
  {
    name: 'pull',
    otherNames: ['image pull'],
    load: async () => (await import('./commands/pull-commands.js')).pull,
    spec: async () => (await import('./flags/pull-flags.js')).PULL,
  },
  {
    name: 'push',
    otherNames: ['image push'],
    load: async () => (await import('./commands/pull-commands.js')).push,
    spec: async () => (await import('./flags/pull-flags.js')).PUSH,
  },
  {
    name: 'images',
    otherNames: ['image ls', 'image list'],
    load: async () => (await import('./commands/image-commands.js')).images,
    spec: async () => (await import('./flags/image-flags.js')).IMAGES,
  },
  {
    name: 'image inspect',
    load: async () => (await import('./commands/image-commands.js')).imageInspect,
    spec: async () => (await import('./flags/image-flags.js')).IMAGE_INSPECT,
  },
  {
    name: 'rmi',
    otherNames: ['image rm', 'image remove'],
    load: async () => (await import('./commands/image-commands.js')).rmi,
    spec: async () => (await import('./flags/image-flags.js')).RMI,
  },
  {
    name: 'image prune',
    load: async () => (await import('./commands/image-commands.js')).imagePrune,
    spec: async () => (await import('./flags/image-flags.js')).IMAGE_PRUNE,
  },
  {
    name: 'tag',
    otherNames: ['image tag'],
    load: async () => (await import('./commands/image-commands.js')).tag,
    spec: async () => (await import('./flags/image-flags.js')).TAG,
  },
  {
    name: 'history',
    otherNames: ['image history'],
    load: async () => (await import('./commands/image-commands.js')).history,
    spec: async () => (await import('./flags/image-flags.js')).HISTORY,
  },
  {
    name: 'load',
    otherNames: ['image load'],
    load: async () => (await import('./commands/image-archive-commands.js')).load,
    spec: async () => (await import('./flags/archive-flags.js')).LOAD,
  },
  {
    name: 'save',
    otherNames: ['image save'],
    load: async () => (await import('./commands/image-archive-commands.js')).save,
    spec: async () => (await import('./flags/archive-flags.js')).SAVE,
  },
  {
    name: 'import',
    otherNames: ['image import'],
    load: async () => (await import('./commands/image-archive-commands.js')).importCommand,
    spec: async () => (await import('./flags/archive-flags.js')).IMPORT,
  },
  {
    name: 'network create',
    load: async () => (await import('./commands/network-commands.js')).networkCreate,
    spec: async () => (await import('./flags/network-flags.js')).NETWORK_CREATE,
  },
  {
    name: 'network ls',
    aliases: ['list'],
    load: async () => (await import('./commands/network-commands.js')).networkLs,
    spec: async () => (await import('./flags/network-flags.js')).NETWORK_LS,
  },
  {
    name: 'network inspect',
    load: async () => (await import('./commands/network-commands.js')).networkInspect,
    spec: async () => (await import('./flags/network-flags.js')).NETWORK_INSPECT,
  },
  {
    name: 'network connect',
    load: async () => (await import('./commands/network-commands.js')).networkConnect,
    spec: async () => (await import('./flags/network-flags.js')).NETWORK_CONNECT,
  },
  {
    name: 'network disconnect',
    load: async () => (await import('./commands/network-commands.js')).networkDisconnect,
    spec: async () => (await import('./flags/network-flags.js')).NETWORK_DISCONNECT,
  },
  {
    name: 'network rm',
    aliases: ['remove'],
    load: async () => (await import('./commands/network-commands.js')).networkRm,
    spec: async () => (await import('./flags/network-flags.js')).NETWORK_RM,
  },
  {
    name: 'network policy',
    load: async () => (await import('./commands/policy-command.js')).networkPolicy,
    spec: async () => (await import('./flags/policy-flags.js')).NETWORK_POLICY,
  },
  {
    name: 'network prune',
    load: async () => (await import('./commands/network-commands.js')).networkPrune,
    spec: async () => (await import('./flags/network-flags.js')).NETWORK_PRUNE,
  },
  {
    name: 'network reload',
    load: async () => (await import('./commands/network-commands.js')).networkReload,
    spec: async () => (await import('./flags/network-flags.js')).NETWORK_RELOAD,
  },
  {
    name: 'volume create',
    load: async () => (await import('./commands/volume-commands.js')).volumeCreate,
    spec: async () => (await import('./flags/volume-flags.js')).VOLUME_CREATE,
  },
  {
    name: 'volume ls',
    aliases: ['list'],
    load: async () => (await import('./commands/volume-commands.js')).volumeLs,
    spec: async () => (await import('./flags/volume-flags.js')).VOLUME_LS,
  },
  {
    name: 'volume inspect',
    load: async () => (await import('./commands/volume-commands.js')).volumeInspect,
    spec: async () => (await import('./flags/volume-flags.js')).VOLUME_INSPECT,
  },
  {
    name: 'volume rm',
    aliases: ['remove'],
    load: async () => (await import('./commands/volume-commands.js')).volumeRm,
    spec: async () => (await import('./flags/volume-flags.js')).VOLUME_RM,
  },
  {
    name: 'volume prune',
    load: async () => (await import('./commands/volume-commands.js')).volumePrune,
    spec: async () => (await import('./flags/volume-flags.js')).VOLUME_PRUNE,
  },
  {
    name: 'system df',
    load: async () => (await import('./commands/system-commands.js')).systemDf,
    spec: async () => (await import('./flags/system-flags.js')).SYSTEM_DF,
  },
  {
    name: 'system prune',
    load: async () => (await import('./commands/system-commands.js')).systemPrune,
    spec: async () => (await import('./flags/system-flags.js')).SYSTEM_PRUNE,
  },
  {
    name: 'prune',
    load: async () => (await import('./commands/prune-commands.js')).prune,
    spec: async () => (await import('./flags/prune-flags.js')).PRUNE,
  },
  {
    // It takes the word `run` itself, as its only subcommand.
    name: 'explain',
    load: async () => (await import('./commands/explain-command.js')).explain,
    spec: async () => (await import('./flags/explain-flags.js')).EXPLAIN_RUN,
  },
  {
    name: 'login',
    load: async () => (await import('./commands/login-command.js')).login,
    spec: async () => (await import('./flags/login-flags.js')).LOGIN,
  },
  {
    name: 'logout',
    load: async () => (await import('./commands/login-command.js')).logout,
    spec: async () => (await import('./flags/login-flags.js')).LOGOUT,
  },
  {
    name: 'completion',
    load: async () => {
      const { completion } = await import('./commands/completion-command.js');
      return (args) => completion(args, describeCommands);
    },
    spec: async () => (await import('./flags/completion-flags.js')).COMPLETION,
  },
  {
    name: 'info',
    otherNames: ['system info'],
    load: async () => (await import('./commands/info-command.js')).info,
    spec: async () => (await import('./flags/info-flags.js')).INFO,
  },
  {
    name: 'version',
    load: async () => (await import('./commands/version-command.js')).version,
    spec: async () => (await import('./flags/version-flags.js')).VERSION,
  },
];

/** The command of that name: one word, or a group and one more. */
export function findCommand(name: string): Command | undefined {
  return COMMANDS.find((command) => namesOf(command).includes(name));
}

/** Every command with its specification, which loads the flags of all of them. */
export function describeCommands(): Promise<readonly DescribedCommand[]> {
  return Promise.all(
    COMMANDS.map(async ({ spec, ...command }) => ({ ...command, spec: await spec() })),
  );
}
