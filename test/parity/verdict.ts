/** What came of a case with both engines. */
import type { Difference, ParityCase, Section, StepOutcome } from './parity-case.js';

export interface Row {
  readonly section: Section;
  readonly parityCase: ParityCase;
  readonly id: string;
  readonly verdict: 'same' | Difference;
  /** Empty: the same. */
  readonly why: string;
  /** A difference that no case speaks of, or one that is spoken of and not there. */
  readonly surprise?: string;
  readonly docker: readonly StepOutcome[];
  readonly caisson: readonly StepOutcome[];
}

/** The first difference, in a few words. Undefined: there is none. */
export function difference(
  docker: readonly StepOutcome[],
  caisson: readonly StepOutcome[],
): string | undefined {
  for (const [index, theirs] of docker.entries()) {
    const ours = caisson[index];
    if (ours === undefined) return 'nothing';
    for (const part of ['code', 'stdout', 'stderr'] as const) {
      if (theirs[part] === ours[part]) continue;
      const what = part === 'code' ? 'exit code' : part;
      const step = docker.length > 1 ? ` of step ${index + 1}` : '';
      return `${what}${step}: ${quote(ours[part])} and not ${quote(theirs[part])}`;
    }
  }
  return undefined;
}

function quote(value: string | number): string {
  if (typeof value === 'number') return String(value);
  const text = JSON.stringify(value);
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}

export function judge(
  section: Section,
  parityCase: ParityCase,
  id: string,
  docker: readonly StepOutcome[],
  caisson: readonly StepOutcome[],
): Row {
  const differs = difference(docker, caisson);
  const { verdict } = parityCase;
  const row = { section, parityCase, id, docker, caisson };
  if (differs === undefined) {
    return {
      ...row,
      verdict: 'same',
      why: '',
      ...(verdict === undefined ? {} : { surprise: `is the same and not ${verdict.is}` }),
    };
  }
  if (verdict === undefined)
    return { ...row, verdict: 'differs', why: differs, surprise: `differs: ${differs}` };
  return { ...row, verdict: verdict.is, why: verdict.why };
}
