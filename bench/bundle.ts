/** OCI bundles for crun and runc, asking for what caisson's default container has. */
import { mkdir, writeFile } from 'node:fs/promises';
import { DEFAULT_CAPABILITIES } from '../lib/engine/options/capabilities.js';
import {
  CGROUP,
  DEV,
  DEVICE_RULES,
  MASKED_PATHS,
  MQUEUE,
  PROC,
  pts,
  READONLY_PATHS,
  SYS,
  namespacesBut,
  shm,
} from '../lib/engine/spec/default-spec.js';
import { PTY_LIMIT } from '../lib/engine/options/defaults.js';
import type { LinuxSeccomp, Spec } from '../lib/oci/runtime-spec.js';
import { defaultSeccompProfile } from '../lib/oci/seccomp-default.js';

/**
 * `native`: the default profile for this machine's instruction set, as caisson loads it. `docker`: the same
 * list for the machine's 32-bit instruction sets too, as Docker and podman write it.
 */
export type SeccompChoice = 'none' | 'native' | 'docker';

const ARCHITECTURES: Readonly<Record<string, readonly string[]>> = {
  x64: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'],
  arm64: ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM'],
};

function seccomp(choice: SeccompChoice): LinuxSeccomp | undefined {
  if (choice === 'none') return undefined;
  const arch = process.arch === 'arm64' ? 'arm64' : 'x64';
  const profile = defaultSeccompProfile(new Set(DEFAULT_CAPABILITIES), arch);
  const architectures = ARCHITECTURES[arch];
  if (architectures === undefined || choice === 'native') return profile;
  return { ...profile, architectures };
}

export async function writeBundle(
  directory: string,
  root: string,
  choice: SeccompChoice,
  args: readonly string[] = ['/true'],
): Promise<string> {
  const capabilities = DEFAULT_CAPABILITIES;
  const map = [{ containerID: 0, hostID: 1_800_000_000, size: 65_536 }];
  const profile = seccomp(choice);
  const spec: Spec = {
    ociVersion: '1.0.2',
    process: {
      terminal: false,
      user: { uid: 0, gid: 0 },
      args,
      env: ['PATH=/bin', 'HOSTNAME=0123456789ab'],
      cwd: '/',
      capabilities: {
        bounding: capabilities,
        effective: capabilities,
        permitted: capabilities,
      },
      noNewPrivileges: false,
    },
    root: { path: root, readonly: false },
    hostname: '0123456789ab',
    mounts: [PROC, DEV, pts(PTY_LIMIT, true), SYS, CGROUP, MQUEUE, shm(64 << 20)],
    linux: {
      uidMappings: map,
      gidMappings: map,
      namespaces: namespacesBut(new Set()),
      cgroupsPath: `/caisson-bench-${directory.replace(/^.*\//, '')}`,
      resources: {
        devices: DEVICE_RULES,
        memory: { limit: 64 << 20 },
        cpu: { shares: 512 },
      },
      maskedPaths: MASKED_PATHS,
      readonlyPaths: READONLY_PATHS,
      ...(profile === undefined ? {} : { seccomp: profile }),
    },
  };
  await mkdir(directory, { recursive: true });
  await writeFile(`${directory}/config.json`, JSON.stringify(spec, undefined, 2));
  return directory;
}
