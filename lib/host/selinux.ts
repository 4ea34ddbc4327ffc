/** SELinux labels of containers, composed as github.com/opencontainers/selinux does it for Docker and podman. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

import { isErrno } from '../base/errno.js';
import { CaissonError } from '../base/errors.js';

const SELINUXFS = '/sys/fs/selinux';

/** What a policy says of containers: the labels of their processes and of their files. */
export interface ContainerContexts {
  readonly process: string;
  readonly file: string;
}

/** SELinux as this machine has it. */
export interface Selinux {
  /** Undefined where the policy has no file of them. */
  readonly contexts: ContainerContexts | undefined;
  /** Whether the policy that is loaded knows a label. */
  readonly isKnown: (label: string) => boolean;
}

/** Of a container, whose level may be its own. */
export interface SelinuxLabels {
  /** `user:role:type` */
  readonly process: string;
  readonly mount: string;
  /** Undefined for a policy without levels. */
  readonly level: string | undefined;
  /** No level was named: two categories are added, which depend on the container's id. */
  readonly ownCategories: boolean;
}

/** Whether selinuxfs(5) is mounted at its usual path. */
export function hasSelinux(): boolean {
  return existsSync(`${SELINUXFS}/enforce`);
}

/** Undefined where the kernel has no SELinux, or has not enabled it. */
export function lookAtSelinux(): Selinux | undefined {
  if (!hasSelinux()) return undefined;
  return { contexts: readContexts(), isKnown };
}

/** The kernel takes a label there only if the policy has it. Where it may not be asked, it will tell at the start. */
function isKnown(label: string): boolean {
  try {
    writeFileSync(`${SELINUXFS}/context`, label, { flag: 'r+' });
  } catch (error) {
    return !isErrno(error, 'EINVAL');
  }
  return true;
}

function readContexts(): ContainerContexts | undefined {
  const type = /^\s*SELINUXTYPE\s*=\s*(\S+)/m.exec(read('/etc/selinux/config'))?.[1];
  return parseContexts(
    read('/usr/share/containers/selinux/contexts') ||
      (type === undefined ? '' : read(`/etc/selinux/${type}/contexts/lxc_contexts`)),
  );
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** lxc_contexts(5): `process = "user:role:type:level"`. */
export function parseContexts(text: string): ContainerContexts | undefined {
  const labels = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, name = '', label = ''] = /^\s*(\w+)\s*=\s*"?([^"\s]+)"?\s*$/.exec(line) ?? [];
    labels.set(name, label);
  }
  const [process, file] = [labels.get('process'), labels.get('file')];
  return process === undefined || file === undefined ? undefined : { process, file };
}

/** The longest label that a mount takes: fsconfig(2). */
const MAX_LABEL = 255;

/** What categories may add to a label: `:c1022,c1023`. */
const CATEGORIES_LENGTH = 12;

/**
 * The labels that a container is to have; undefined where none was asked for.
 *
 * @param parts `user:`, `role:`, `type:`, `level:` and `filetype:`; the last of a kind counts. What they leave open is
 *   the policy's.
 * @param selinux of `lookAtSelinux`
 * @throws CaissonError ERR_KERNEL_FEATURE_MISSING without SELinux, ERR_INVALID_OPTION for what is no label of the
 *   policy
 */
export function composeLabels(
  parts: readonly string[],
  selinux: Selinux | undefined,
): SelinuxLabels | undefined {
  const [first] = parts;
  if (first === undefined) return undefined;
  if (selinux === undefined) {
    throw new CaissonError(
      'ERR_KERNEL_FEATURE_MISSING',
      `securityOpt: label=${first}: this kernel has no SELinux, or has not enabled it`,
      { stage: 'config', path: 'securityOpt', hint: 'label=disable, or no label= at all' },
    );
  }
  const { contexts, isKnown } = selinux;
  const asked = new Map(parts.map((part) => split(part, 2) as [string, string]));
  const [user, role, type, level] = split(contexts?.process, 4);
  const [fileUser, fileRole = 'object_r', fileType] = split(contexts?.file, 4);
  const process = [asked.get('user') ?? user, asked.get('role') ?? role, asked.get('type') ?? type];
  const mount = [asked.get('user') ?? fileUser, fileRole, asked.get('filetype') ?? fileType];
  const missing = ['user', 'role', 'type'].filter((_, index) => process[index] === undefined);
  if (mount[2] === undefined) missing.push('filetype');
  if (missing.length > 0) {
    throw invalid(
      parts,
      `${missing.join(', ')} must be named too, because the policy has no labels for containers`,
      'they would be in contexts/lxc_contexts of the policy that /etc/selinux/config names',
    );
  }
  const labels: SelinuxLabels = {
    process: process.join(':'),
    mount: mount.join(':'),
    level: asked.get('level') ?? level,
    ownCategories: !asked.has('level') && level !== undefined,
  };
  for (const label of [withLevel(labels.process, labels), withLevel(labels.mount, labels)]) {
    if (label.length + CATEGORIES_LENGTH > MAX_LABEL)
      throw invalid(parts, `the label has more than ${MAX_LABEL - CATEGORIES_LENGTH} bytes`);
    if (!isKnown(label))
      throw invalid(parts, `the SELinux policy of this machine has no label ${label}`);
  }
  return labels;
}

/** The fields of a label; a level has colons of its own. */
function split(text: string | undefined, count: number): (string | undefined)[] {
  if (text === undefined) return [];
  const fields = text.split(':');
  return fields.length <= count
    ? fields
    : [...fields.slice(0, count - 1), fields.slice(count - 1).join(':')];
}

function withLevel(label: string, { level }: SelinuxLabels): string {
  return level === undefined ? label : `${label}:${level}`;
}

function invalid(parts: readonly string[], why: string, hint?: string): CaissonError {
  const asked = parts.map((part) => `label=${part}`).join(', ');
  return new CaissonError('ERR_INVALID_OPTION', `securityOpt: ${asked}: ${why}`, {
    stage: 'config',
    path: 'securityOpt',
    hint,
  });
}

/** How many categories policies for several tenants have: c0 to c1023. */
const CATEGORIES = 1024;

/**
 * The labels of one container. Its categories depend on its id alone, so that whatever is started in it later has them
 * too.
 *
 * @param id long id
 */
export function labelsFor(
  labels: SelinuxLabels,
  id: string,
): { readonly process: string; readonly mount: string } {
  let { level } = labels;
  if (labels.ownCategories) {
    const first = Number.parseInt(id.slice(0, 6), 16) % CATEGORIES;
    // Another one than the first: the distance is 1 to 1023.
    const second =
      (first + 1 + (Number.parseInt(id.slice(6, 12), 16) % (CATEGORIES - 1))) % CATEGORIES;
    const sensitivity = /^[^:-]*/.exec(level ?? '')?.[0] ?? '';
    level = `${sensitivity}:c${Math.min(first, second)},c${Math.max(first, second)}`;
  }
  const own = { ...labels, level };
  return { process: withLevel(labels.process, own), mount: withLevel(labels.mount, own) };
}
