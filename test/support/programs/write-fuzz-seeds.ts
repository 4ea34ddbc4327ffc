/** Writes the seeds of test/native/seeds that are launch programs, after a change of the instruction set. */
import { writeFileSync } from 'node:fs';
import { fuzzSeeds } from '../fuzz-seeds.js';
import { repository } from '../paths.js';

for (const [name, bytes] of Object.entries(fuzzSeeds()))
  writeFileSync(`${repository}/test/native/seeds/${name}`, bytes);
