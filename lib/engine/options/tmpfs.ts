/** Mount options of a tmpfs (tmpfs(5)): Docker's defaults, and what may be asked beside them. */
import { splitAssignment } from '../../base/assignment.js';
import { invalid } from '../../base/check.js';

/** Flags that exclude each other; the last one given wins. */
const OPPOSITE: Readonly<Record<string, string | undefined>> = {
  ro: 'rw',
  rw: 'ro',
  exec: 'noexec',
  noexec: 'exec',
  suid: 'nosuid',
  nosuid: 'suid',
  dev: 'nodev',
  nodev: 'dev',
  sync: 'async',
  async: 'sync',
  atime: 'noatime',
  noatime: 'atime',
  diratime: 'nodiratime',
  nodiratime: 'diratime',
  relatime: 'strictatime',
  strictatime: 'relatime',
};

const SETTINGS: Readonly<Record<string, RegExp | undefined>> = {
  size: /^\d+(?:[kmgKMG]|%)?$/,
  mode: /^[0-7]{1,4}$/,
  uid: /^\d{1,9}$/,
  gid: /^\d{1,9}$/,
  nr_inodes: /^\d+[kmgKMG]?$/,
  nr_blocks: /^\d+[kmgKMG]?$/,
};

/** Docker's defaults for `--tmpfs`, from which `exec`, `suid` and `dev` lead away. */
const DEFAULTS = ['noexec', 'nosuid', 'nodev'] as const;

export function tmpfsOptions(option: string, asked: readonly string[]): readonly string[] {
  const options = new Map<string, string>();
  for (const flag of DEFAULTS) options.set(flag, flag);
  for (const text of asked) {
    const { name, value } = splitAssignment(text);
    if (value === undefined) {
      const opposite = OPPOSITE[text];
      if (opposite === undefined) throw invalid(option, text, 'is not a mount option of a tmpfs');
      options.delete(opposite);
      options.set(text, text);
    } else {
      const pattern = SETTINGS[name];
      if (pattern === undefined) throw invalid(option, text, 'is not a mount option of a tmpfs');
      if (!pattern.test(value)) throw invalid(option, text, `is not a valid ${name}`);
      options.set(name, text);
    }
  }
  return [...options.values()];
}
