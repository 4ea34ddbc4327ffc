/** libseccomp's own compilation of a profile: what its words mean, by the library that defined them. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import type { EncodedProfile } from '../../lib/oci/seccomp-encode.js';
import { needsProgram } from './needs.js';

const SOURCE = fileURLToPath(new URL('../../../test/native/seccomp_reference.c', import.meta.url));

/** As make(1) has it, CC may be a command with arguments: `ccache gcc`. */
const [compiler = 'cc', ...compilerOptions] = (process.env.CC ?? 'cc').split(' ');

/** Compiling the library's program needs a compiler, which machines that only run caisson do not have. */
export const compilerNeeded = needsProgram(compiler);

export class SeccompReference {
  readonly #directory = mkdtempSync(join(tmpdir(), 'caisson-seccomp-'));
  readonly #program = join(this.#directory, 'seccomp_reference');

  constructor() {
    execFileSync(compiler, [...compilerOptions, '-o', this.#program, SOURCE, '-lseccomp']);
  }

  /** Also says which of the names this libseccomp does not know. */
  compile(profile: EncodedProfile): { filter: Uint8Array; unknown: readonly string[] } {
    const { status, stdout, stderr } = spawnSync(this.#program, { input: describe(profile) });
    if (status !== 0) throw new Error(stderr.toString());
    const unknown = stderr
      .toString()
      .split('\n')
      .filter((name) => name !== '');
    return { filter: stdout, unknown };
  }

  close(): void {
    rmSync(this.#directory, { recursive: true });
  }
}

function describe({ architectures, names, words }: EncodedProfile): string {
  const lines = [`default ${words[0]!}`, ...architectures.map((name) => `arch ${name}`)];
  let name = 0;
  for (let i = 2; i < words.length;) {
    const [count, action, conditions] = words.subarray(i, i + 3);
    const args = words.subarray(i + 3, i + 3 + Number(conditions) * 4).join(' ');
    for (let n = 0n; n < count!; n++) lines.push(`rule ${action!} ${names[name++]!} ${args}`);
    i += 3 + Number(conditions) * 4;
  }
  return lines.join('\n') + '\n';
}
