/** Other people's engines, as commands: whichever of them is installed and works here. */
import { execFile } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { promisify } from 'node:util';
import { type SeccompChoice, writeBundle } from './bundle.js';
import type { Contestant, Sample } from './contestant.js';
import { LineProcess } from './line-process.js';
import { type Workspace, repository } from './workspace.js';

const run = promisify(execFile);

interface Command {
  readonly name: string;
  readonly argv: readonly string[];
  readonly slow?: boolean;
  /** Needs to see no cgroup2 beside the v1 hierarchies. */
  readonly v1Only?: boolean;
}

export async function installed(program: string): Promise<boolean> {
  for (const directory of (process.env.PATH ?? '').split(':')) {
    try {
      await access(`${directory}/${program}`, constants.X_OK);
      return true;
    } catch {
      continue;
    }
  }
  return false;
}

export async function works(program: string, ...args: string[]): Promise<boolean> {
  try {
    await run(program, args, { timeout: 20_000 });
    return true;
  } catch {
    return false;
  }
}

/** `build` in an image store of podman's or docker's: the same root, imported once. */
export const IMAGE = 'caisson-bench:latest';

export async function importImage(program: string, root: string): Promise<boolean> {
  if (await works(program, 'image', 'inspect', IMAGE)) return true;
  return await works('sh', '-c', `tar -C "$1" -c . | "$2" import - ${IMAGE}`, 'sh', root, program);
}

/** It asks for more than a root without CAP_SYS_RESOURCE may have. */
export const PODMAN_LIMITS = ['--ulimit', 'nofile=1024:1024', '--ulimit', 'nproc=1024:1024'];

async function commands(workspace: Workspace): Promise<Command[]> {
  const { directory, root } = workspace;
  const found: Command[] = [
    { name: 'true, no container', argv: [workspace.helper('true')] },
    // What a command that is a Node program takes at least.
    { name: 'node -e 0', argv: [process.execPath, '-e', '0'], slow: true },
    {
      name: 'caisson run (command)',
      argv: [
        `${repository}bin/caisson`,
        'run',
        '--rm',
        ...['--network', 'none', '-m', '64m', '--cpu-shares', '512', '--rootfs', root],
        '/true',
      ],
      slow: true,
    },
  ];
  const oci = async (program: string, choice: SeccompChoice, words: string): Promise<void> => {
    const id = `${program}-${choice}`;
    const bundle = await writeBundle(`${directory}/${id}`, root, choice);
    const state = `${directory}/state-${program}`;
    found.push({
      name: `${program}, ${words}`,
      argv: [program, '--root', state, 'run', '--bundle', bundle, `caisson-bench-${id}`],
      slow: program === 'runc',
      // crun refuses a hybrid machine whose cgroup2 has any controller.
      v1Only: program === 'crun',
    });
  };
  if (await installed('crun')) {
    await oci('crun', 'docker', 'seccomp as Docker');
    await oci('crun', 'native', 'seccomp, one architecture');
    await oci('crun', 'none', 'no seccomp');
  }
  if (await installed('runc')) await oci('runc', 'docker', 'seccomp as Docker');
  if (await installed('bwrap')) {
    found.push({
      name: 'bwrap (no limits, no seccomp)',
      argv: ['bwrap', '--unshare-all', '--unshare-user', '--bind', root, '/', '--proc', '/proc']
        .concat(['--dev', '/dev', '--hostname', '0123456789ab', '--die-with-parent'])
        .concat(['/true']),
    });
  }
  const shared = ['-m', '64m', '--cpu-shares', '512', '--network', 'none'];
  for (const program of ['podman', 'docker']) {
    if (!(await installed(program)) || !(await works(program, 'info'))) continue;
    if (!(await importImage(program, root))) continue;
    const podman = program === 'podman';
    const limits = podman ? [...shared, ...PODMAN_LIMITS] : shared;
    found.push({
      name: `${program} run, no network`,
      argv: [program, 'run', '--rm', ...limits, IMAGE, '/true'],
      slow: true,
      // Its runtime is crun, too.
      v1Only: podman,
    });
  }
  return found;
}

const UNIFIED = '/sys/fs/cgroup/unified';

/** In a mount namespace of its own an empty directory lies over cgroup2; the machine's stays as it is. */
export const HIDE_UNIFIED = `if [ -d ${UNIFIED} ]; then mount -t tmpfs none ${UNIFIED}; fi`;

/** Processes that start commands and time them, with different views of the machine. */
export interface Launchers {
  readonly plain: LineProcess;
  readonly v1Only: LineProcess;
}

export function openLaunchers(workspace: Workspace): Launchers {
  const program = workspace.helper('launch');
  return {
    plain: new LineProcess(program, []),
    v1Only: new LineProcess('unshare', ['-m', 'sh', '-c', `${HIDE_UNIFIED}; exec ${program}`]),
  };
}

/** Contestants that are commands, timed by a small launcher; those that fail say why on stderr and stay out. */
export async function commandContestants(
  commands: readonly (Pick<Command, 'name' | 'argv' | 'slow'> & {
    readonly launcher: LineProcess;
  })[],
): Promise<Contestant[]> {
  const contestants: Contestant[] = [];
  for (const { name, argv, slow, launcher } of commands) {
    const start = async (count: number, spacingMs: number): Promise<Sample[]> => {
      const line = [`${count} ${spacingMs} 60`, ...argv].join('\t');
      const answers = await launcher.ask<Sample & { exitCode?: number }>(line);
      const failed = answers.find((answer) => answer.exitCode !== undefined);
      if (failed === undefined) return answers;
      throw new Error(
        `${name}: exit code ${failed.exitCode}: ${launcher.complaints.split('\n')[0]}`,
      );
    };
    try {
      await start(2, 0);
      contestants.push({ name, slow, run: start });
    } catch (error) {
      console.error(`left out: ${(error as Error).message}`);
    }
  }
  return contestants;
}

export async function openCommands(
  workspace: Workspace,
  launchers: Launchers,
): Promise<Contestant[]> {
  return await commandContestants(
    (await commands(workspace)).map((command) => ({
      ...command,
      launcher: command.v1Only === true ? launchers.v1Only : launchers.plain,
    })),
  );
}
