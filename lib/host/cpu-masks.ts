/** What /sys tells a container of every single processor of the machine. */
import { access, readFile } from 'node:fs/promises';
import { cpus } from 'node:os';

import { parseList } from '../base/cpu-list.js';

/**
 * The counters of thermal events of every processor: a container can read from them what its neighbours do, so Docker
 * masks them too. They exist where the processor reports such events, which no virtual machine's does: elsewhere the list
 * is empty and costs one look. It names every processor that is present, because one that is off line now has its
 * directory when it comes back. Without a /sys of the caller's own it names them all: a container has a /sys of its own,
 * and a mask for what is not there is passed over.
 */
export async function thermalThrottlePaths(
  directory = '/sys/devices/system/cpu',
): Promise<readonly string[]> {
  const list = (name: string) =>
    readFile(`${directory}/${name}`, 'utf8').then(
      (text) => parseList(text.trim()),
      () => undefined,
    );
  const online = await list('online');
  if (online !== undefined) {
    const [first = 0] = online;
    const missing = await access(`${directory}/cpu${first}/thermal_throttle`).then(
      () => false,
      (error: NodeJS.ErrnoException) => error.code === 'ENOENT',
    );
    if (missing) return [];
  }
  const present = (await list('present')) ?? cpus().keys();
  return [...present].map((cpu) => `/sys/devices/system/cpu/cpu${cpu}/thermal_throttle`);
}
