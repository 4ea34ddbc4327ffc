/**
 * `--sysctl`: kernel parameters of the container's own namespaces, by exact name. A name is a path below
 * /proc/sys with dots for slashes; anything else in it could reach a parameter of the host (CVE-2022-0811).
 */
import { splitAssignment } from '../../base/assignment.js';
import { conflicting, invalid, isRecordOrList, unsupported } from '../../base/check.js';
import type { IsolationOptions } from './options.js';

/** Those of the IPC namespace (ipc_namespaces(7)), and of the mqueue file system. */
const IPC: ReadonlySet<string> = new Set([
  'kernel.msgmax',
  'kernel.msgmnb',
  'kernel.msgmni',
  'kernel.sem',
  'kernel.shmall',
  'kernel.shmmax',
  'kernel.shmmni',
  'kernel.shm_rmid_forced',
  'fs.mqueue.msg_default',
  'fs.mqueue.msg_max',
  'fs.mqueue.msgsize_default',
  'fs.mqueue.msgsize_max',
  'fs.mqueue.queues_max',
]);

export function isIpcSysctl(name: string): boolean {
  return IPC.has(name);
}

const NET = /^net(?:\.[A-Za-z0-9_][A-Za-z0-9_-]*)+$/;

const NONE: Readonly<Record<string, string>> = Object.freeze({});

export function normalizeSysctls(
  value: IsolationOptions['sysctls'],
  network: string,
): Readonly<Record<string, string>> {
  if (value === undefined) return NONE;
  if (!isRecordOrList(value)) throw invalid('sysctls', value, 'is neither a record nor an array');
  const sysctls: Record<string, string> = {};
  if (Array.isArray(value)) {
    for (const text of value as readonly unknown[]) {
      if (typeof text !== 'string') throw invalid('sysctls', text, 'is not NAME=value');
      const { name, value: setting } = splitAssignment(text);
      if (name === '' || setting === undefined) throw invalid('sysctls', text, 'is not NAME=value');
      set(sysctls, name, setting, network);
    }
  } else {
    for (const [name, setting] of Object.entries(
      value as Readonly<Record<string, string | number>>,
    )) {
      if (typeof setting !== 'string' && typeof setting !== 'number') {
        throw invalid('sysctls', { [name]: setting }, 'is not a string or a number');
      }
      set(sysctls, name, String(setting), network);
    }
  }
  return sysctls;
}

function set(sysctls: Record<string, string>, name: string, value: string, network: string): void {
  if (name === 'kernel.hostname' || name === 'kernel.domainname') {
    throw unsupported('sysctls', name, 'cannot be set as a sysctl', 'use hostname or domainname');
  }
  const net = NET.test(name);
  if (!net && !IPC.has(name)) {
    throw invalid(
      'sysctls',
      name,
      'is not a parameter of the container alone',
      'allowed: kernel.{msg*,sem,shm*}, fs.mqueue.*, net.*',
    );
  }
  if (net && network === 'host')
    throw conflicting('sysctls', `"${name}" needs a network of its own, and network is "host"`);
  if (value === '' || /[\0\n\r]/.test(value))
    throw invalid('sysctls', `${name}=${value}`, 'is not a value in one line');
  sysctls[name] = value;
}
