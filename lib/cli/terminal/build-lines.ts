/** What a build does, in lines, as BuildKit's plain progress. */
import { StringDecoder } from 'node:string_decoder';
import { splitLines } from '../../base/lines.js';
import { shortName } from '../../engine/images/image-records.js';
import type { BuildEvent } from '../../engine/build/build-options.js';

type StepEvent = Extract<BuildEvent, { kind: 'step' }>;

interface Step {
  readonly number: number;
  /** Milliseconds. */
  readonly began: number;
  /** Of each stream what is after its last line break. */
  readonly rest: [string, string];
  readonly decoders: readonly [StringDecoder, StringDecoder];
}

/** Characters of a line. */
const LONGEST = 1 << 16;

export class BuildLines {
  #step: Step | undefined;
  #last = 0;
  #cached = false;

  constructor(
    private readonly write: (text: string) => void,
    private readonly now: () => number = () => performance.now(),
  ) {}

  readonly show = (event: BuildEvent): void => {
    switch (event.kind) {
      case 'step':
        this.#begin(event);
        return;
      case 'cached':
        this.#cached = true;
        this.#line('CACHED');
        return;
      case 'output':
        this.#output(event.stream, event.bytes);
        return;
      case 'done':
        this.flush();
        if (!this.#cached) this.#line(`DONE ${seconds(event.duration, 1)}s`);
        this.write('\n');
        this.#step = undefined;
        return;
      case 'image':
        this.write(
          [
            `#${this.#last + 1} writing image ${event.id} done\n`,
            ...event.names.map((name) => `#${this.#last + 1} naming to ${shortName(name)} done\n`),
          ].join(''),
        );
    }
  };

  /** What has no line break at its end. */
  flush(): void {
    for (const stream of [0, 1] as const) {
      const rest = (this.#step?.rest[stream] ?? '') + (this.#step?.decoders[stream].end() ?? '');
      if (this.#step !== undefined) this.#step.rest[stream] = '';
      if (rest !== '') this.#said(rest);
    }
  }

  #begin({ number, stage, step, steps, text }: StepEvent): void {
    this.#last = number;
    this.#cached = false;
    const decoders = [new StringDecoder('utf8'), new StringDecoder('utf8')] as const;
    this.#step = { number, began: this.now(), rest: ['', ''], decoders };
    const width = String(steps).length;
    const place = `${stage === undefined ? '' : `${stage} `}${String(step).padStart(width)}/${steps}`;
    this.#line(`[${place}] ${text}`);
  }

  #output(stream: 1 | 2, bytes: Buffer): void {
    const step = this.#step;
    if (step === undefined) return;
    const at = stream === 1 ? 0 : 1;
    const lines = splitLines(step.rest[at] + step.decoders[at].write(bytes));
    step.rest[at] = lines.pop() ?? '';
    for (const line of lines) this.#said(line);
    // One that does not end is shown in parts.
    if (step.rest[at].length <= LONGEST) return;
    this.#said(step.rest[at]);
    step.rest[at] = '';
  }

  #said(line: string): void {
    const elapsed = this.now() - (this.#step?.began ?? 0);
    this.#line(`${seconds(elapsed, 3)} ${line}`);
  }

  #line(text: string): void {
    this.write(`#${this.#step?.number ?? 0} ${text}\n`);
  }
}

function seconds(milliseconds: number, digits: number): string {
  return (milliseconds / 1000).toFixed(digits);
}

/** The lines around the one that an error is about, as BuildKit shows them. */
export function excerpt(source: string, name: string, line: number): string {
  const lines = splitLines(source);
  const first = Math.max(1, line - 2);
  const last = Math.min(lines.length, line + 2);
  const rule = '-'.repeat(20);
  const shown: string[] = [];
  for (let at = first; at <= last; at++) {
    const mark = at === line ? '>>>' : '   ';
    shown.push(`${String(at).padStart(4)} | ${mark} ${lines[at - 1] ?? ''}`.trimEnd());
  }
  return `${name}:${line}\n${rule}\n${shown.join('\n')}\n${rule}\n`;
}
