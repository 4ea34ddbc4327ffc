/** What `inspect` and `network inspect` have in common: a template, and one object after the other. */
import type { CommandLine } from '../args/command-line.js';
import { print } from '../report.js';
import { TemplateError } from '../template/error.js';
import { parseTemplate } from '../template/go-template.js';
import { complain } from './each.js';

type Template = ReturnType<typeof parseTemplate>;

/** Of `--format`; no template: JSON. Undefined: it is malformed, and stderr says so; the command ends with 64. */
export function inspectFormat(line: CommandLine): { readonly template?: Template } | undefined {
  const text = line.value('format');
  if (text === undefined || text === '') return {};
  try {
    return { template: parseTemplate(text === 'json' ? '{{json .}}' : text) };
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    complainOfTemplate(error);
    return undefined;
  }
}

/** @returns the exit code: 1 if there was an error, which does not keep the others from being printed */
export async function printInspected(
  names: readonly string[],
  { template }: { readonly template?: Template },
  shapeOf: (name: string) => Promise<object>,
): Promise<number> {
  const shapes: object[] = [];
  let lines = '';
  let code = 0;
  for (const name of names) {
    try {
      const shape = await shapeOf(name);
      if (template === undefined) shapes.push(shape);
      else lines += `${template.execute(shape, { missingKey: 'error' })}\n`;
    } catch (error) {
      code = 1;
      if (error instanceof TemplateError) complainOfTemplate(error);
      else await complain(error);
    }
  }
  print(1, template === undefined ? `${JSON.stringify(shapes, undefined, 4)}\n` : lines || '\n');
  return code;
}

function complainOfTemplate({ message }: TemplateError): void {
  print(2, `caisson: template parsing error: ${message}\n`);
}
