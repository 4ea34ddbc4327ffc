/** The progress of an image's layers: a line for each, redrawn on a terminal, and otherwise printed when its phase changes. */
import { isatty } from 'node:tty';
import { humanSize } from '../../docker/go-units.js';
import { shortImageId } from '../../docker/image-shape.js';
import type { ImageProgress } from '../../image/image-progress.js';
import type { OutputFd } from './output.js';

/** Docker's words, by phase; where a phase is over, there is no bar. */
export interface PhaseWords {
  readonly waiting: string;
  readonly downloading?: string;
  readonly unpacking?: string;
  readonly uploading?: string;
  readonly exists: string;
  readonly done: string;
}

export const PULL_WORDS: PhaseWords = {
  waiting: 'Pulling fs layer',
  downloading: 'Downloading',
  unpacking: 'Extracting',
  exists: 'Already exists',
  done: 'Pull complete',
};

export const PUSH_WORDS: PhaseWords = {
  waiting: 'Preparing',
  uploading: 'Pushing',
  exists: 'Layer already exists',
  done: 'Pushed',
};

export const LOAD_WORDS: PhaseWords = {
  waiting: 'Waiting',
  unpacking: 'Extracting',
  exists: 'Already exists',
  done: 'Loaded',
};

const BAR = 50;
/** Phases that are printed also where nothing is redrawn. */
const PRINTED: ReadonlySet<ImageProgress['phase']> = new Set(['waiting', 'exists', 'done']);

export class ProgressLines {
  readonly #lines: { readonly digest: string; progress: ImageProgress }[] = [];
  readonly #isTerminal: boolean;

  constructor(
    private readonly words: PhaseWords,
    fd: OutputFd,
    private readonly write: (text: string) => void,
    isTerminal = isatty(fd),
    private readonly columns: () => number = () => process.stdout.columns || 80,
  ) {
    this.#isTerminal = isTerminal;
  }

  readonly show = (progress: ImageProgress): void => {
    const { digest, phase } = progress;
    const at = this.#lines.findIndex((line) => line.digest === digest);
    const before = this.#lines[at]?.progress.phase;
    if (at < 0) this.#lines.push({ digest, progress });
    else this.#lines[at]!.progress = progress;
    if (!this.#isTerminal) {
      if (before !== phase && PRINTED.has(phase)) this.write(`${this.text(progress)}\n`);
      return;
    }
    const text = this.text(progress).slice(0, Math.max(1, this.columns() - 1));
    if (at < 0) return this.write(`${text}\n`);
    const up = this.#lines.length - at;
    // Up to the line, whose rest is erased, and back (ECMA-48: CUU, EL, CUD).
    this.write(`\x1b[${up}A\r\x1b[2K${text}\x1b[${up}B\r`);
  };

  private text({ digest, phase, current, total }: ImageProgress): string {
    const name = `${shortImageId(digest)}: ${this.words[phase] ?? phase}`;
    if (phase !== 'downloading' && phase !== 'uploading') return name;
    return `${name} ${bar(current, total)} ${humanSize(current)}/${humanSize(total)}`;
  }
}

/** `[=====>     ]` */
export function bar(current: number, total: number): string {
  const done = total === 0 ? BAR : Math.min(BAR, Math.floor((current / total) * BAR));
  const head = done < BAR ? `${'='.repeat(done)}>` : '='.repeat(BAR);
  return `[${head.padEnd(BAR)}]`;
}
