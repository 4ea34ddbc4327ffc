/** Lists as Docker prints them: `table`, `table TEMPLATE`, `json`, or a template for each line. */
import { parseTemplate } from '../template/go-template.js';

/** The headings of the command's columns, by the field of a row. */
export type Headings = Readonly<Record<string, unknown>>;

export interface ListFormat {
  /** Each row on its own line, under headings if the format is a table. */
  render(rows: readonly unknown[]): string;
  /** The format has headings and columns. */
  readonly isTable: boolean;
}

/**
 * `format` is the value of `--format`, `standard` the template of the plain `table`. Throws a TemplateError.
 */
export function listFormat(
  format: string | undefined,
  standard: string,
  headings: Headings,
): ListFormat {
  const asked = format === undefined || format === '' ? 'table' : format;
  const isTable = asked.startsWith('table');
  const body = isTable ? asked.slice('table'.length) : asked === 'json' ? '{{json .}}' : asked;
  // A shell does not turn `\t` into a tab.
  const template = parseTemplate(
    (isTable && body.trim() === '' ? standard : trimSpaces(body))
      .replaceAll('\\t', '\t')
      .replaceAll('\\n', '\n'),
  );
  return {
    isTable,
    render: (rows) => {
      const lines = rows.map((row) => `${template.execute(row)}\n`).join('');
      return isTable
        ? alignColumns(`${template.execute(headings, { heading: true })}\n${lines}`)
        : lines;
    },
  };
}

/** Go's strings.Trim(format, " "): tabs and line ends stay. */
function trimSpaces(text: string): string {
  return text.replace(/^ +/, '').replace(/(?<! ) +$/, '');
}

/** Docker's tables (docker/cli formatter.go): columns of at least 10, 3 spaces between. `docker top` has 20. */
export function alignColumns(text: string, minimum = 10, padding = 3): string {
  // In characters, as tabwriter counts. One check of the text is cheaper than one for each cell.
  const plain = !/[^\x00-\x7f]/.test(text);
  const length = (cell = '') => (plain ? cell.length : [...cell].length);
  const lines = text.split('\n').map((line) => line.split('\t'));
  const widths = lines.map((): number[] => []);
  const deepest = Math.max(...lines.map((cells) => cells.length - 1));
  for (let column = 0; column < deepest; column++) {
    // As Go's text/tabwriter: a column is a run of lines that have a cell there which a tab ends.
    for (let first = 0; first < lines.length; first++) {
      let end = first;
      let width = minimum;
      while (end < lines.length && (lines[end]?.length ?? 0) - 1 > column) {
        width = Math.max(width, length(lines[end]?.[column]) + padding);
        end++;
      }
      for (let line = first; line < end; line++) widths[line]?.push(width);
      if (end > first) first = end;
    }
  }
  return lines
    .map((cells, line) =>
      cells
        .map((cell, at) => {
          const width = at === cells.length - 1 ? undefined : widths[line]?.[at];
          return width === undefined ? cell : cell + ' '.repeat(width - length(cell));
        })
        .join(''),
    )
    .join('\n');
}
