/** A Dockerfile as stages. docs.docker.com/reference/dockerfile, docs.docker.com/build/building/multi-stage */
import { dockerfileError } from './dockerfile-error.js';
import type { Arg, From, StageInstruction } from './dockerfile-instructions.js';
import { logicalLines } from './logical-lines.js';
import { parseInstruction } from './parse-instruction.js';

export interface Stage {
  readonly index: number;
  readonly from: From;
  readonly instructions: readonly StageInstruction[];
}

export interface Dockerfile {
  /** What quotes a character in the arguments of instructions. */
  readonly escape: string;
  /** Those before the first FROM. */
  readonly args: readonly Arg[];
  readonly stages: readonly Stage[];
}

/** @throws ERR_INVALID_DOCKERFILE and ERR_UNSUPPORTED_OPTION, with the line */
export function parseDockerfile(source: string): Dockerfile {
  const { escape, lines } = logicalLines(source);
  const args: Arg[] = [];
  const stages: { index: number; from: From; instructions: StageInstruction[] }[] = [];
  for (const logical of lines) {
    const instruction = parseInstruction(logical, escape);
    const stage = stages.at(-1);
    if (instruction.kind === 'FROM') {
      if (stages.some(({ from }) => from.name !== undefined && from.name === instruction.name)) {
        throw dockerfileError(logical.line, `duplicate name ${instruction.name!} of a stage`);
      }
      stages.push({ index: stages.length, from: instruction, instructions: [] });
    } else if (stage !== undefined) stage.instructions.push(instruction);
    else if (instruction.kind === 'ARG') args.push(instruction);
    else {
      throw dockerfileError(
        logical.line,
        `no build stage in current context: ${instruction.kind} stands before FROM`,
      );
    }
  }
  if (stages.length === 0) {
    throw dockerfileError(1, 'file with no instructions', 'it begins with FROM');
  }
  return { escape, args, stages };
}

/**
 * The stage of a name or a number; undefined if there is none.
 *
 * @param before for `COPY --from` and FROM: only earlier stages.
 */
export function findStage(
  { stages }: Dockerfile,
  reference: string,
  before = stages.length,
): Stage | undefined {
  const earlier = stages.slice(0, before);
  const name = reference.toLowerCase();
  return (
    earlier.findLast(({ from }) => from.name === name) ??
    (/^\d+$/.test(reference) ? earlier[Number(reference)] : undefined)
  );
}
