/** Which stages of a Dockerfile a build needs, and what each is made from. Pure. */
import { formatPlatform, normalizePlatform, type Platform } from '../image/platform.js';
import { dockerfileError } from './dockerfile-error.js';
import { type Dockerfile, findStage, type Stage } from './dockerfile.js';
import type { StageInstruction } from './dockerfile-instructions.js';
import { expand } from './expand.js';
import { mountSources } from './run-mounts.js';

export interface PlanOptions {
  /** A name or a number; default: the last stage. */
  readonly target?: string | undefined;
  readonly buildArgs: ReadonlyMap<string, string>;
  /** What the image is for. */
  readonly platform: Platform;
  /** This machine's. */
  readonly buildPlatform: Platform;
}

export type StageBase =
  | { readonly kind: 'scratch' }
  | { readonly kind: 'stage'; readonly index: number }
  | { readonly kind: 'image'; readonly name: string; readonly platform: string | undefined };

/** The source of a `COPY --from`. */
export type FilesFrom =
  | { readonly kind: 'stage'; readonly index: number }
  | { readonly kind: 'image'; readonly name: string };

export interface StagePlan {
  readonly stage: Stage;
  readonly base: StageBase;
  /** For the progress: its name, or `stage-N`; undefined if it is the only one of its file. */
  readonly label: string | undefined;
}

export interface BuildPlan {
  /** What ARG can take without a value: of ARG before the first FROM, and of the platforms. */
  readonly globalArgs: ReadonlyMap<string, string>;
  /** Those that are needed, in the order of the file; the last one is the result. */
  readonly stages: readonly StagePlan[];
}

/** @throws ERR_INVALID_DOCKERFILE */
export function planBuild(dockerfile: Dockerfile, options: PlanOptions): BuildPlan {
  const globalArgs = globalArguments(dockerfile, options);
  const target =
    options.target === undefined ? dockerfile.stages.at(-1) : findStage(dockerfile, options.target);
  if (target === undefined) {
    const names = dockerfile.stages.flatMap(({ from }) => from.name ?? []);
    throw dockerfileError(
      dockerfile.stages[0]!.from.line,
      `target stage "${options.target!}" could not be found`,
      names.length === 0 ? 'no stage has a name' : `there are ${names.join(', ')}`,
    );
  }
  const bases = new Map<number, StageBase>();
  const visit = (stage: Stage): void => {
    if (bases.has(stage.index)) return;
    const base = baseOf(dockerfile, stage, globalArgs, options);
    bases.set(stage.index, base);
    if (base.kind === 'stage') visit(dockerfile.stages[base.index]!);
    for (const instruction of stage.instructions) {
      for (const reference of sourcesOf(instruction)) {
        const from = filesFrom(dockerfile, reference, stage.index, instruction.line);
        if (from.kind === 'stage') visit(dockerfile.stages[from.index]!);
      }
    }
  };
  visit(target);
  const stages = dockerfile.stages
    .filter(({ index }) => bases.has(index))
    .map((stage) => ({
      stage,
      base: bases.get(stage.index)!,
      label:
        dockerfile.stages.length === 1 ? undefined : (stage.from.name ?? `stage-${stage.index}`),
    }));
  return { globalArgs, stages };
}

/**
 * What `--from` means: an earlier stage, or an image.
 *
 * @param before the index of the stage that has it
 * @throws ERR_INVALID_DOCKERFILE
 */
export function filesFrom(
  dockerfile: Dockerfile,
  reference: string,
  before: number,
  line: number,
): FilesFrom {
  const stage = findStage(dockerfile, reference, before);
  if (stage !== undefined) return { kind: 'stage', index: stage.index };
  if (/^\d+$/.test(reference) || findStage(dockerfile, reference) !== undefined) {
    throw dockerfileError(line, `--from=${reference} is no earlier stage`);
  }
  return { kind: 'image', name: reference };
}

/** The stages and images from which an instruction has files. */
function sourcesOf(instruction: StageInstruction): readonly string[] {
  if (instruction.kind === 'RUN') return mountSources(instruction.mounts, instruction.line);
  return instruction.kind === 'COPY' && instruction.from !== undefined ? [instruction.from] : [];
}

function baseOf(
  dockerfile: Dockerfile,
  { index, from }: Stage,
  variables: ReadonlyMap<string, string>,
  { platform }: PlanOptions,
): StageBase {
  const { line } = from;
  const { escape } = dockerfile;
  const all = { variables: (name: string) => variables.get(name), escape, line };
  const name = expand(from.image, all);
  if (name === '') throw dockerfileError(line, `base name (${from.image}) should not be blank`);
  const own = from.platform === undefined ? '' : expand(from.platform, all);
  if (name === 'scratch') return { kind: 'scratch' };
  const stage = /^\d+$/.test(name) ? undefined : findStage(dockerfile, name, index);
  if (stage !== undefined) return { kind: 'stage', index: stage.index };
  return { kind: 'image', name, platform: own === '' ? formatPlatform(platform) : own };
}

function globalArguments(
  { args, escape }: Dockerfile,
  { buildArgs, platform, buildPlatform }: PlanOptions,
): ReadonlyMap<string, string> {
  const all = new Map([
    ...platformArguments('TARGET', platform),
    ...platformArguments('BUILD', buildPlatform),
  ]);
  for (const { values, line } of args) {
    for (const [name, text] of values) {
      const value =
        buildArgs.get(name) ??
        (text === undefined
          ? all.get(name)
          : expand(text, { variables: (one) => all.get(one), escape, line }));
      if (value !== undefined) all.set(name, value);
    }
  }
  return all;
}

function platformArguments(prefix: string, platform: Platform): [name: string, value: string][] {
  const { os, architecture, variant } = normalizePlatform(platform);
  return [
    [`${prefix}PLATFORM`, formatPlatform(platform)],
    [`${prefix}OS`, os],
    [`${prefix}ARCH`, architecture],
    [`${prefix}VARIANT`, variant ?? ''],
  ];
}
