import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';

import { thermalThrottlePaths } from '../../../lib/host/cpu-masks.js';

describe('the thermal counters of processors', () => {
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'caisson-test-'));
    await writeFile(join(directory, 'online'), '1-2\n');
    await writeFile(join(directory, 'present'), '0-3\n');
    await mkdir(join(directory, 'cpu1'));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  const path = (cpu: number) => `/sys/devices/system/cpu/cpu${cpu}/thermal_throttle`;

  it('A8: the counters are masked for every processor that is present, those off line too', async () => {
    await mkdir(join(directory, 'cpu1/thermal_throttle'));
    expect(thermalThrottlePaths(directory)).to.deep.equal([0, 1, 2, 3].map(path));
  });

  it('The counters are not looked for processor by processor where the machine has none', async () => {
    expect(thermalThrottlePaths(directory)).to.deep.equal([]);
  });

  it('The counters are masked where the caller cannot see whether the machine has them', async () => {
    expect(thermalThrottlePaths(join(directory, 'missing'))).to.include(path(0));
  });
});
