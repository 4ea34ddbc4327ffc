/** What /sys tells a container of every single processor of the machine. */
import { accessSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseList } from '../base/cpu-list.js';
import { isErrno } from '../base/errno.js';
import { smallFile } from '../base/small-file.js';

/**
 * The counters of thermal events of every processor: a container can read from them what its neighbours do, so Docker
 * masks them too. They exist where the processor reports such events, which no virtual machine's does: elsewhere the list
 * is empty and costs one look. It names every processor that is present, because one that is off line now has its
 * directory when it comes back. Without a /sys of the caller's own it names them all: a container has a /sys of its own,
 * and a mask for what is not there is passed over.
 */
export function thermalThrottlePaths(directory = '/sys/devices/system/cpu'): readonly string[] {
  const list = (name: string) => {
    const text = smallFile(`${directory}/${name}`);
    return text === undefined ? undefined : parseList(text.trim());
  };
  const online = list('online');
  if (online !== undefined) {
    const [first = 0] = online;
    if (isMissing(`${directory}/cpu${first}/thermal_throttle`)) return [];
  }
  const present = list('present') ?? cpus().keys();
  return [...present].map((cpu) => `/sys/devices/system/cpu/cpu${cpu}/thermal_throttle`);
}

function isMissing(path: string): boolean {
  try {
    accessSync(path);
    return false;
  } catch (error) {
    return isErrno(error, 'ENOENT');
  }
}
