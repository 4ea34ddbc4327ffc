/** Text cut to a width, as docker/cli's formatter does (cli/command/formatter/displayutils.go). */

/** East Asian wide and full-width characters, and emoji: two columns of a terminal. */
const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;

/** The text, cut to `width` columns; if it was cut, the last column is an ellipsis. */
export function ellipsis(text: string, width: number): string {
  // Twice the width is enough in any case, so long texts need not be measured.
  const characters = [...text.slice(0, 2 * width + 2)];
  const columns = (character: string): number => (WIDE.test(character) ? 2 : 1);
  const total = characters.reduce((sum, character) => sum + columns(character), 0);
  if (total <= width) return text;
  let cut = '';
  let used = 1;
  for (const character of characters) {
    used += columns(character);
    if (used > width) break;
    cut += character;
  }
  return `${cut}…`;
}
