/** The launch programs of further programs in a container, compiled for a container that is always the same. */
import { normalize } from '../../lib/engine/options/config.js';
import type { RunOptions } from '../../lib/engine/options/options.js';
import { toSpec } from '../../lib/engine/spec/to-spec.js';
import { compileExec, type ExecInput } from '../../lib/program/compile-exec.js';
import type { Launchable } from '../../lib/program/compile.js';

export const ID = '3a'.repeat(32);
export const BASE = 1_000_000;

export const v1 = ['cpu', 'freezer'].map((name) => ({
  version: 1 as const,
  dir: `/sys/fs/cgroup/${name}/caisson/${ID}`,
}));
export const v2 = [{ version: 2 as const, dir: `/sys/fs/cgroup/caisson/${ID}` }];

export function compiledExec(options: RunOptions = {}, input: Partial<ExecInput> = {}): Launchable {
  const image = { env: [], cmd: [], entrypoint: [] };
  const config = normalize(['true'], options, image, { cpus: '0', mems: '0' });
  const idRange = config.userns === 'auto' ? { base: BASE, size: 65_536 } : undefined;
  const user = { uid: 7, gid: 8, additionalGids: [8, 9], home: '/home' };
  return compileExec(toSpec(config, { id: ID, idRange, user }), {
    pid: 4242,
    startTime: 2n ** 40n,
    placements: v1,
    seccomp: new Uint8Array(16),
    stdin: config.stdin,
    stdout: config.stdout,
    stderr: config.stderr,
    terminal: config.terminal,
    staying: 'ends',
    ...input,
  });
}

/** Execs that differ in what they compile to. */
export const EXEC_CASES: Readonly<Record<string, [RunOptions, Partial<ExecInput>]>> = {
  'the default': [{}, {}],
  'on v2': [{}, { placements: v2 }],
  'without cgroups': [{}, { placements: [] }],
  'a terminal': [{ tty: true }, {}],
  "the host's users": [{ userns: 'host', network: 'host' }, {}],
  'no new privileges': [{ securityOpt: ['no-new-privileges'], ulimits: { nofile: 9 } }, {}],
  'no filter': [{}, { seccomp: undefined }],
  'all streams': [{ stdin: 'pipe', stderr: 'inherit', oomScoreAdj: 5 }, {}],
  detached: [{ stdin: 'null', stdout: 'null', stderr: 'null' }, { staying: 'detached' }],
};
