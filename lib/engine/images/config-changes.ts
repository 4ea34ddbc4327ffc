/** `--change` of `import` and `commit`: instructions of a Dockerfile that change an image's configuration. */
import { invalid } from '../../base/check.js';
import { CaissonError } from '../../base/errors.js';
import { parseInstruction } from '../../build/parse-instruction.js';
import { StageState } from '../../build/stage-state.js';
import type { ImageConfig } from '../../image/image-config.js';

/** As of Docker's `commit`. */
const ALLOWED: ReadonlySet<string> = new Set([
  'CMD', 'ENTRYPOINT', 'ENV', 'EXPOSE', 'HEALTHCHECK', 'LABEL', 'ONBUILD', 'STOPSIGNAL', 'USER', 'VOLUME', 'WORKDIR',
]); // prettier-ignore

/** @throws ERR_INVALID_OPTION */
export function changedConfig(changes: readonly string[], config: ImageConfig): ImageConfig {
  const escape = '\\';
  const state = new StageState(config, { escape, buildArgs: new Map(), globalArgs: new Map() });
  for (const change of changes) {
    if (/^\s*(?:#|$)/.test(change)) throw invalid('changes', change, 'has no instruction');
    try {
      const line = { line: 1, text: change.trim(), hereDocuments: [] };
      const instruction = parseInstruction(line, escape);
      if (instruction.kind === 'FROM' || !ALLOWED.has(instruction.kind))
        throw invalid('changes', change, `has an instruction that cannot be given here`);
      state.apply(instruction);
    } catch (error) {
      if (!(error instanceof CaissonError) || error.code !== 'ERR_INVALID_DOCKERFILE') throw error;
      throw invalid('changes', change, `is wrong: ${error.message.replace(/^\S+ /, '')}`);
    }
  }
  return state.config;
}
