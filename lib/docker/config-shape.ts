/** What a container runs: `Config` of Docker's API (container inspect, v1.50). */
import { hostname } from 'node:os';
import { splitAssignment } from '../base/assignment.js';
import { DEFAULT_PATH } from '../base/default-path.js';
import { shortId } from '../base/ids.js';
import { DEFAULT_STOP_TIMEOUT } from '../engine/options/create-options.js';
import { normalizeEnv } from '../engine/options/env.js';
import type { Healthcheck } from '../engine/options/healthcheck.js';
import { labelsOf } from '../engine/options/labels.js';
import type { RunOptions } from '../engine/options/options.js';
import type { ContainerInfo } from '../engine/store/stored.js';
import { addFields } from './api-fields.js';
import { markStringMap } from './go-values.js';
import { configVolumes } from './mount-shape.js';
import { exposedPorts } from './port-shape.js';

/** The image's defaults for what the container's options leave out. */
export interface ImageConfig {
  readonly env?: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly cmd?: readonly string[];
  readonly workdir?: string;
  readonly user?: string;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly shell?: readonly string[] | undefined;
  readonly volumes?: readonly string[] | undefined;
}

/** @param joinedName the host name of the container whose network it has joined */
export function configShape(info: ContainerInfo, image: ImageConfig, joinedName?: string): object {
  const { config } = info;
  const { options } = config;
  const { stopSignal } = options;
  const exposed = exposedPorts(options);
  return addFields('Config', {
    Hostname:
      options.hostname ??
      joinedName ??
      (options.network === 'host' || options.uts === 'host' ? hostname() : shortId(config.id)),
    Domainname: options.domainname ?? '',
    User: options.user ?? image.user ?? '',
    AttachStdin: config.stdinOnce,
    AttachStdout: config.stdinOnce,
    AttachStderr: config.stdinOnce,
    ...(exposed === undefined ? {} : { ExposedPorts: exposed }),
    Tty: options.tty !== undefined && options.tty !== false,
    OpenStdin: config.openStdin,
    StdinOnce: config.stdinOnce,
    Env: environment(options, image.env ?? []),
    Cmd: listOrNull(commandOf(info, image)),
    ...(config.healthcheck === undefined ? {} : { Healthcheck: healthcheck(config.healthcheck) }),
    Image: imageName(info),
    Volumes: configVolumes(config, image.volumes),
    WorkingDir: options.workdir ?? image.workdir ?? '',
    Entrypoint: listOrNull(entrypoint(options.entrypoint) ?? image.entrypoint),
    OnBuild: null,
    Labels: markStringMap({ ...image.labels, ...labelsOf(options.labels) }),
    ...(isEmpty(image.shell) ? {} : { Shell: image.shell }),
    ...(stopSignal === undefined ? {} : { StopSignal: String(stopSignal) }),
    // Docker has it only if it was requested.
    ...(config.stopTimeout === DEFAULT_STOP_TIMEOUT ? {} : { StopTimeout: config.stopTimeout }),
  });
}

/** Those of the options, then the image's, without those that every container gets at its start: HOSTNAME, HOME, TERM. */
function environment(options: RunOptions, image: readonly string[]): readonly string[] {
  const env = new Map<string, string | undefined>();
  const own = normalizeEnv(options.env);
  for (const assignment of own) {
    const { name, value } = splitAssignment(assignment);
    env.set(name, value === undefined ? undefined : assignment);
  }
  const defaults = new Map(image.map((each) => [splitAssignment(each).name, each]));
  for (const [name, assignment] of defaults) if (!env.has(name)) env.set(name, assignment);
  const path = env.has('PATH') ? [] : [`PATH=${DEFAULT_PATH}`];
  return [...path, ...[...env.values()].filter((each) => each !== undefined)];
}

/** An entrypoint of the options drops the image's command. */
function commandOf(
  { config: { argv, options } }: ContainerInfo,
  image: ImageConfig,
): readonly string[] | undefined {
  return argv.length === 0 && options.entrypoint === undefined ? image.cmd : argv;
}

function isEmpty(list: readonly string[] | undefined): list is undefined {
  return list === undefined || list.length === 0;
}

/** As Go prints a list that is nil. */
function listOrNull(list: readonly string[] | undefined): readonly string[] | null {
  return isEmpty(list) ? null : list;
}

function entrypoint(value: RunOptions['entrypoint']): readonly string[] | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'string') return value === '' ? [] : [value];
  return value;
}

/** Docker's has nanoseconds, and leaves out what was not given. */
function healthcheck(check: Healthcheck): object {
  const { test, retries } = check;
  const time = (name: string, milliseconds: number) =>
    milliseconds === 0 ? {} : { [name]: milliseconds * 1e6 };
  return addFields('Healthcheck', {
    Test: typeof test === 'string' ? ['CMD-SHELL', test] : ['CMD', ...test],
    ...time('Interval', check.interval),
    ...time('Timeout', check.timeout),
    ...time('StartPeriod', check.startPeriod),
    ...time('StartInterval', check.startInterval),
    ...(retries === 0 ? {} : { Retries: retries }),
  });
}

export function imageName({ config: { image } }: ContainerInfo): string {
  return image.kind === 'name' ? image.name : image.path;
}
