/** An unprivileged user of the network benchmark's machine, who exists only there: in a mount namespace of each command. */
import { chmodSync, chownSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { Machine } from './network-machines.js';
import { HIDE_UNIFIED } from './peers.js';
import { type Workspace, repository } from './workspace.js';

const UID = 65_000;
const NAME = 'caisson-bench';
/** The first of its subordinate ids, and how many there are. */
const RANGE = [1_900_000_000, 65_536] as const;

export interface RootlessMachine {
  /** What runs a command as the user: put before it. */
  readonly within: readonly string[];
  /** The command of caisson, with the files of the user. */
  readonly command: readonly string[];
}

/** @param machine whose network it has */
export function openRootlessMachine(
  { directory }: Workspace,
  { within }: Machine,
): RootlessMachine {
  const home = `${directory}/user`;
  const [first, size] = RANGE;
  const lines = {
    passwd: `${NAME}:x:${UID}:${UID}::${home}:/bin/sh\n`,
    group: `${NAME}:x:${UID}:\n`,
    subuid: `${NAME}:${first}:${size}\n`,
    subgid: `${NAME}:${first}:${size}\n`,
  };
  for (const path of [home, `${home}/run`]) {
    mkdirSync(path);
    chmodSync(path, 0o700);
    chownSync(path, UID, UID);
  }
  for (const [name, line] of Object.entries(lines))
    writeFileSync(`${directory}/${name}`, `${readFileSync(`/etc/${name}`, 'utf8')}${line}`);
  const binds = Object.keys(lines).map((name) => `mount --bind ${directory}/${name} /etc/${name}`);
  const script = [
    // For podman's sake: crun refuses a machine whose cgroup2 has any controller.
    HIDE_UNIFIED,
    'set -e',
    ...binds,
    // One that all may open, as udev makes it.
    `[ -e ${directory}/tun ] || mknod -m 0666 ${directory}/tun c 10 200`,
    `chmod 0666 ${directory}/tun`,
    `mount --bind ${directory}/tun /dev/net/tun`,
    `cd ${home}`,
    `exec env -i PATH="$PATH" HOME=${home} USER=${NAME} XDG_RUNTIME_DIR=${home}/run setpriv --reuid ${UID} --regid ${UID} --clear-groups "$@"`,
  ].join('\n');
  const own = ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', script, 'sh'];
  return {
    within: [...within, ...own],
    command: [process.execPath, `${repository}bin/caisson`],
  };
}
