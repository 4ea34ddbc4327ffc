/**
 * The texts that a start does not share with other starts of the same options: its command, and what follows from its
 * addresses. A program that is compiled once for all of these starts has a number in place of each of them; each start
 * appends its own behind the program (template.ts).
 */

export type Text = string | Uint8Array;

/** In place of a text: its number among those of a start. */
export interface OwnText {
  readonly own: number;
}

/** The first numbers are those of a start's command: the texts of `exec`. */
export const COMMAND_TEXTS = 3;

/** A plan whose texts may have been taken out of it. */
export type WithOwnTexts<T> = T extends Text
  ? T | OwnText
  : T extends object
    ? { readonly [Key in keyof T]: WithOwnTexts<T[Key]> }
    : T;

export function isOwnText(text: Text | OwnText): text is OwnText {
  return typeof text === 'object' && 'own' in text;
}

/** Those of one start, besides its command. */
export class OwnTexts {
  constructor(private readonly texts: Text[] = []) {}

  /** In the order of their numbers. */
  get all(): readonly Text[] {
    return this.texts;
  }

  /** @returns what stands for it in a program */
  take(text: Text): OwnText {
    return { own: COMMAND_TEXTS + this.texts.push(text) - 1 };
  }

  /**
   * Takes each text of a plan, which is plain data. Numbers stay: a program that was compiled for a plan is right for
   * another one exactly if both are the same after this.
   */
  takeAll<T>(plan: T): WithOwnTexts<T>;
  takeAll(plan: unknown): unknown {
    if (typeof plan === 'string' || plan instanceof Uint8Array) return this.take(plan);
    if (typeof plan !== 'object' || plan === null) return plan;
    if (Array.isArray(plan)) return plan.map((part) => this.takeAll<unknown>(part));
    const taken: Record<string, unknown> = {};
    for (const [name, part] of Object.entries(plan)) taken[name] = this.takeAll<unknown>(part);
    return taken;
  }

  /** @throws Error for a number that no text has */
  textOf({ own }: OwnText): Text {
    const text = this.all[own - COMMAND_TEXTS];
    if (text === undefined)
      throw new Error(`a start has no text of its own with the number ${own}`);
    return text;
  }

  /** Some of them as `Encoder.texts` encodes them, if that is known already (own-texts-template.ts). */
  recordsOf(_some: readonly OwnText[]): Uint8Array | undefined {
    return undefined;
  }
}
