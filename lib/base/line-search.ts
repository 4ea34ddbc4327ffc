/** A text or a pattern in lines that come in pieces. */

/** Bytes of a line that a regular expression is tried on. */
const SEARCHED = 64 << 10;

/** Finds a text or a pattern in one stream's lines, which come in pieces. */
export class LineSearch {
  private text = '';

  constructor(private readonly wanted: string | RegExp) {}

  /** @param partial the line goes on, or is not finished yet: what there is of it is looked at all the same */
  finds(piece: string, partial: boolean): boolean {
    const text = this.text + piece;
    const { wanted } = this;
    if (typeof wanted === 'string') {
      // The end of what may be the beginning of the text.
      this.text = partial && wanted.length > 1 ? text.slice(1 - wanted.length) : '';
      return text.includes(wanted);
    }
    const fresh = this.text.length < SEARCHED;
    const start = text.slice(0, SEARCHED);
    this.text = partial ? start : '';
    return fresh && start.replace(/\r?\n$/, '').search(wanted) >= 0;
  }
}
