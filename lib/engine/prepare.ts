/** From what `run` was asked to a launch program: everything that can fail before anything is made. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CgroupLayout } from '../cgroup/detect.js';
import { planCgroups } from '../cgroup/plan.js';
import { layoutFor } from '../cgroup/probe.js';
import { resolveImage, type ResolvedImage } from '../image/resolve.js';
import type { RootfsImage } from '../image/rootfs.js';
import type { Binding } from '../native/binding.js';
import { compileProfile } from '../oci/seccomp.js';
import { defaultSeccompProfile, type SeccompArch } from '../oci/seccomp-default.js';
import { filterFlags } from '../oci/seccomp-encode.js';
import type { LinuxSeccomp, Mount, Spec } from '../oci/runtime-spec.js';
import { compile, type KernelFacts, type Launchable } from '../program/compile.js';
import { type ContainerConfig, type HostFacts, normalize } from './config.js';
import { type HostFiles, injectedFiles } from './files.js';
import type { IdRange, IdRanges } from './id-ranges.js';
import type { RunOptions } from './options.js';
import { checkSources } from './sources.js';
import { hostnameOf, toSpec } from './to-spec.js';
import { resolveUser } from './user.js';

/** What a start needs of its engine. */
export interface Surroundings {
  readonly dataRoot: string;
  readonly containersRoot: string;
  readonly binding: Binding;
  readonly layout: CgroupLayout;
  readonly kernel: KernelFacts;
  readonly host: HostFacts;
  readonly owner: string;
  readonly idRanges: IdRanges;
}

export interface Prepared {
  readonly config: ContainerConfig;
  readonly launchable: Launchable;
  /** Gives back what was claimed; when the container is gone. */
  release(): void;
}

/** Account files are read up to here, in bytes. */
const ACCOUNT_FILE_LIMIT = 4 << 20;

export async function prepare(
  around: Surroundings,
  id: string,
  image: string | RootfsImage,
  argv: readonly string[],
  options: RunOptions,
): Promise<Prepared> {
  const resolved = await resolveImage(image, around.dataRoot);
  const config = normalize(argv, options, resolved.defaults, around.host);
  const [sources, user, hostFiles] = await Promise.all([
    checkSources(config),
    resolveUser(config.user, config.groupAdd, (path) => readInImage(around, resolved, path)),
    config.network === 'host' ? readHostFiles() : undefined,
  ]);
  const profile = await seccompProfile(config);
  const filter =
    profile === undefined
      ? undefined
      : await compileProfile(profile, around.binding, join(around.dataRoot, 'cache'));

  const range = config.userns === 'auto' ? around.idRanges.claim() : undefined;
  try {
    const facts = { id, idRange: range, user, seccomp: profile, sources };
    const spec = withImageBinds(toSpec(config, facts), resolved);
    const resources = spec.linux?.resources ?? {};
    // Who cannot make device nodes has only those that it was given.
    const cgroup = planCgroups(await layoutFor(resources), id, resources, {
      deviceRules: config.userns === 'auto' ? 'optional' : 'required',
    });
    const readOnly = config.readOnly || resolved.root.readOnly;
    const launchable = compile(
      spec,
      {
        id,
        directory: join(around.containersRoot, id),
        owner: around.owner,
        root: { ...resolved.root, readOnly },
        files: filesOf(config, hostnameOf(config, facts), hostFiles),
        cgroup,
        seccomp: filter,
        seccompFlags: profile === undefined ? 0 : filterFlags(profile),
        init: config.init,
        stdin: config.stdin,
        stdout: config.stdout,
        stderr: config.stderr,
        terminal: config.terminal,
      },
      around.kernel,
    );
    return { config, launchable, release: () => giveBack(around, range) };
  } catch (error) {
    giveBack(around, range);
    throw error;
  }
}

/** Whoever mounts something of his own at the place of such a file means that. */
function filesOf(config: ContainerConfig, hostname: string, host?: HostFiles) {
  const files = injectedFiles(config.names, hostname, host);
  const { mounts } = config;
  if (mounts.length === 0) return files;
  return files.filter(({ path }) => !mounts.some(({ target }) => target === path));
}

function giveBack({ idRanges }: Surroundings, range: IdRange | undefined): void {
  if (range !== undefined) idRanges.release(range);
}

/** The first layer that has the file; links are followed inside that layer only. */
async function readInImage(
  { binding }: Surroundings,
  { root }: ResolvedImage,
  path: string,
): Promise<string | undefined> {
  const places = root.kind === 'direct' ? [root.path] : root.lowers;
  const from =
    root.kind === 'direct' ? '.' : (root.views.find(({ to }) => to === '/')?.from ?? '.');
  for (const place of places) {
    const content = await binding.readBelow(join(place, from), path, ACCOUNT_FILE_LIMIT);
    if (content !== null) return content.toString('utf8');
  }
  return undefined;
}

async function readHostFiles(): Promise<HostFiles> {
  const read = (path: string) => readFile(path, 'utf8').catch(() => '');
  const [hosts, resolvConf] = await Promise.all([read('/etc/hosts'), read('/etc/resolv.conf')]);
  return { hosts, resolvConf };
}

const capabilitySets = new WeakMap<readonly string[], ReadonlySet<string>>();

async function seccompProfile(config: ContainerConfig): Promise<LinuxSeccomp | undefined> {
  const { seccomp, capabilities } = config;
  if (seccomp.kind === 'unconfined') return undefined;
  let set = capabilitySets.get(capabilities);
  if (set === undefined) capabilitySets.set(capabilities, (set = new Set(capabilities)));
  if (seccomp.kind !== 'file') return defaultSeccompProfile(set, process.arch as SeccompArch);
  const { loadProfile } = await import('../oci/seccomp-profile.js');
  return loadProfile(seccomp.path, { capabilities: set });
}

/** What the image itself binds from the host goes before the user's mounts, after the kernel's. */
function withImageBinds(spec: Spec, { binds }: ResolvedImage): Spec {
  if (binds.length === 0) return spec;
  const mapping = spec.linux?.uidMappings;
  const mounts = binds.map(({ source, to }): Mount => ({
    destination: to,
    type: 'bind',
    source,
    options: ['bind', 'ro', ...(mapping === undefined ? [] : ['idmap'])],
    uidMappings: mapping,
    gidMappings: mapping,
  }));
  return { ...spec, mounts: [...mounts, ...(spec.mounts ?? [])] };
}
