/** One stage of a build, instruction by instruction. */
import { CaissonError } from '../../base/errors.js';
import { DEFAULT_PATH } from '../../base/default-path.js';
import { filesFrom, type StagePlan } from '../../build/build-plan.js';
import { dockerfileError } from '../../build/dockerfile-error.js';
import type { StageInstruction } from '../../build/dockerfile-instructions.js';
import { parseInstruction } from '../../build/parse-instruction.js';
import { type BuildStep, StageState } from '../../build/stage-state.js';
import { resolveImage } from '../../image/snapshots/resolve.js';
import type { HistoryEntry } from '../../image/write-image-config.js';
import { baseImage, noImage } from '../images/commit-layer.js';
import { ensureImage } from '../images/ensure-image.js';
import { emptyConfig } from '../images/write-image.js';
import type { BuildSession, BuiltStage, StageFiles } from './build-session.js';
import { planCopy } from './copy-step.js';
import { directoryKey, ensureDirectory } from './directory-step.js';
import { planRun } from './run-step.js';
import { knownFiles, stageFiles } from './stage-files.js';

/** Instructions that may change files: those are the steps that the progress counts. */
const STEPS: ReadonlySet<string> = new Set(['RUN', 'COPY', 'ADD', 'WORKDIR']);

/** @throws as `Engine.build` */
export async function buildStage(session: BuildSession, plan: StagePlan): Promise<BuiltStage> {
  const builder = new StageBuilder(session, plan);
  await builder.begin();
  for (const instruction of plan.stage.instructions) await builder.apply(instruction);
  return builder.result;
}

class StageBuilder {
  #files!: StageFiles;
  #state!: StageState;
  #history: HistoryEntry[] = [];
  #created = '';
  #step = 0;
  #steps: number;

  constructor(
    private readonly session: BuildSession,
    private readonly plan: StagePlan,
  ) {
    this.#steps = 1 + plan.stage.instructions.filter(({ kind }) => STEPS.has(kind)).length;
  }

  get result(): BuiltStage {
    const { config } = this.#state;
    return { files: this.#files, config, history: this.#history, created: this.#created };
  }

  /** FROM, and what its image has for builds that are based on it (ONBUILD). */
  async begin(): Promise<void> {
    const { from } = this.plan.stage;
    const base = await this.reported(from.line, from.text, () => this.base());
    const { onBuild, ...config } = base.config;
    const { escape } = this.session.dockerfile;
    const { buildArgs } = this.session.options;
    const { globalArgs } = this.session.plan;
    this.#state = new StageState({ ...config, onBuild: [] }, { escape, buildArgs, globalArgs });
    this.#files = base.files;
    this.#history = [...base.history];
    this.#created = base.created;
    const triggers = onBuild.map((text) =>
      parseInstruction({ line: from.line, text, hereDocuments: [] }, escape),
    );
    this.#steps += triggers.filter(({ kind }) => STEPS.has(kind)).length;
    for (const trigger of triggers) {
      if (trigger.kind === 'FROM' || trigger.kind === 'ONBUILD')
        throw dockerfileError(from.line, `${trigger.kind} isn't allowed as an ONBUILD trigger`);
      await this.apply(trigger);
    }
  }

  async apply(instruction: StageInstruction): Promise<void> {
    const { line, text } = instruction;
    this.session.options.signal?.throwIfAborted();
    const step = this.#state.apply(instruction);
    if (step === undefined) {
      this.#history.push({ createdBy: text, created: this.#created, emptyLayer: true });
      return;
    }
    await this.reported(line, text, (number) => this.take(step, number));
  }

  private async take(step: BuildStep, number: number): Promise<void> {
    const { key, run } = await this.planned(step, number);
    const { cache, options } = this.session;
    const createdBy = step.kind === 'run' ? `RUN ${step.argv.join(' ')}` : step.text;
    const known = options.noCache ? undefined : await cache.find(key);
    const files = known && (await knownFiles(this.session, known.manifest).catch(missing));
    if (known !== undefined && files !== undefined) {
      options.tell({ kind: 'cached', number });
      this.add(files, known.created, known.changed, createdBy);
      return;
    }
    const made = await run();
    const created = new Date().toISOString();
    const changed = made.layers.length > this.#files.layers.length;
    await cache.add(key, { manifest: made.manifest, created, changed });
    this.add(made, created, changed, createdBy);
  }

  private add(files: StageFiles, created: string, changed: boolean, createdBy: string): void {
    this.#files = files;
    if (changed) this.#created = created;
    this.#history.push({ createdBy, created: this.#created, emptyLayer: !changed });
  }

  private async planned(
    step: BuildStep,
    number: number,
  ): Promise<{ readonly key: string; readonly run: () => Promise<StageFiles> }> {
    const { session } = this;
    const files = this.#files;
    switch (step.kind) {
      case 'run': {
        const sources = new Map<string, StageFiles>();
        for (const mount of step.mounts) {
          if (mount.kind !== 'bind' || mount.from === undefined) continue;
          sources.set(mount.from, await this.sourceOf(mount.from, step.line));
        }
        return planRun(session, files, step, sources, number);
      }
      case 'directory':
        return {
          key: directoryKey(files, step),
          run: () => ensureDirectory(session, files, step),
        };
      case 'copy': {
        const { from, line } = step;
        const source = from === undefined ? undefined : await this.sourceOf(from, line);
        return planCopy(session, files, step, source);
      }
    }
  }

  /** The files of a `from`. */
  private async sourceOf(reference: string, line: number): Promise<StageFiles> {
    const { session, plan } = this;
    const from = filesFrom(session.dockerfile, reference, plan.stage.index, line);
    if (from.kind === 'stage') return session.stages.get(from.index)!.files;
    const manifest = await findManifest(session, from.name, undefined);
    return stageFiles(session, await baseImage(session.images, session.lease, manifest));
  }

  private async base(): Promise<BuiltStage> {
    const { session } = this;
    const { base } = this.plan;
    if (base.kind === 'stage') return session.stages.get(base.index)!;
    if (base.kind === 'scratch') {
      const config = { ...emptyConfig(session.options.platform), workdir: '/', env: [`PATH=${DEFAULT_PATH}`] }; // prettier-ignore
      return { files: await stageFiles(session, noImage()), config, history: [], created: '' };
    }
    const manifest = await findManifest(session, base.name, base.platform);
    const image = await baseImage(session.images, session.lease, manifest);
    const { config, history } = image;
    const env = config.env.some((entry) => entry.startsWith('PATH='))
      ? config.env
      : [`PATH=${DEFAULT_PATH}`, ...config.env];
    const files = await stageFiles(session, image);
    return { files, config: { ...config, env }, history, created: config.created };
  }

  /** Tells of a step, and gives its errors the line. */
  private async reported<T>(
    line: number,
    text: string,
    work: (number: number) => Promise<T>,
  ): Promise<T> {
    const { session, plan } = this;
    const { tell } = session.options;
    const number = ++session.count;
    const begin = performance.now();
    const [step, steps] = [++this.#step, this.#steps];
    tell({ kind: 'step', number, stage: plan.label, step, steps, text, line });
    try {
      const result = await work(number);
      tell({ kind: 'done', number, duration: performance.now() - begin });
      return result;
    } catch (error) {
      throw withLine(error, line);
    }
  }
}

/** The manifest of an image, which is pulled if it is missing. Looked for once in a build. */
function findManifest(
  session: BuildSession,
  name: string,
  platform: string | undefined,
): Promise<string> {
  const { context, lease, options, found } = session;
  const key = JSON.stringify([name, platform]);
  const known = found.get(key);
  if (known !== undefined) return known;
  const look = async () => {
    const { pull, signal } = options;
    await ensureImage(context, name, { pull: pull ? 'always' : 'missing', platform, signal });
    const { manifest } = await resolveImage(name, context.dataRoot, { platform });
    if (manifest === undefined)
      throw new CaissonError('ERR_UNSUPPORTED_OPTION', `the image ${name} cannot be built upon`, {
        stage: 'build',
        path: name,
        hint: 'it is this machine’s own; build upon an image of a registry, or upon scratch',
      });
    await lease.pin(manifest);
    return manifest;
  };
  const looked = look();
  found.set(key, looked);
  return looked;
}

function withLine(error: unknown, line: number): unknown {
  if (!(error instanceof CaissonError) || error.message.startsWith('Dockerfile:')) return error;
  const { code, message, hint } = error;
  const text = hint !== undefined && message.endsWith(` (${hint})`) ? message.slice(0, -hint.length - 3) : message; // prettier-ignore
  return new CaissonError(code, `Dockerfile:${line}: ${text}`, {
    stage: 'build',
    step: error.step,
    syscall: error.syscall,
    errno: error.errno,
    path: `Dockerfile:${line}`,
    hint,
    cause: error,
  });
}

/** A cached step whose files were removed meanwhile was not done. */
function missing(error: unknown): undefined {
  if (!(error instanceof CaissonError)) throw error;
  return undefined;
}
