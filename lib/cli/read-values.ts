/** Values of flags that are wrong by themselves, told apart from what the engine does not want: 125 and 1. */
import { unsupported, wholeNumber } from '../engine/check.js';
import { normalizeDeviceRules } from '../engine/devices.js';
import type { RunOptions } from '../engine/options.js';
import { normalizeUlimits } from '../engine/ulimits.js';
import { parseCpus, parseRate, parseSize } from '../engine/units.js';

const USER_NAMESPACES: readonly unknown[] = ['auto', 'host'];

/** What Docker's client reads of the values itself, so that a wrong one is an error of the flag's. */
export function readValues(options: RunOptions): void {
  for (const name of ['memory', 'memorySwap', 'memoryReservation', 'shmSize'] as const) {
    const value = options[name];
    if (value !== undefined && String(value) !== '-1') parseSize(name, value);
  }
  if (options.cpus !== undefined && !String(options.cpus).startsWith('-'))
    parseCpus('cpus', options.cpus);
  if (options.memorySwappiness !== undefined)
    wholeNumber('memorySwappiness', options.memorySwappiness, -1, 100);
  for (const name of ['deviceReadBps', 'deviceWriteBps'] as const)
    for (const rate of options[name] ?? []) parseRate(name, rate, 'bps');
  for (const name of ['deviceReadIops', 'deviceWriteIops'] as const)
    for (const rate of options[name] ?? []) parseRate(name, rate, 'iops');
  if (options.userns !== undefined && !USER_NAMESPACES.includes(options.userns))
    throw unsupported('userns', options.userns, 'is not supported', 'auto or host');
  normalizeUlimits(options.ulimits);
  normalizeDeviceRules(options.deviceCgroupRules);
}
