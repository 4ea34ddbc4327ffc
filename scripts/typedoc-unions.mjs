// For TypeDoc: the comments of the members of a union of literals, such as the codes of errors, become a list in its text.
import { Converter, ReflectionKind } from 'typedoc';

export function load(app) {
  app.converter.on(Converter.EVENT_RESOLVE_END, ({ project }) => {
    for (const alias of project.getReflectionsByKind(ReflectionKind.TypeAlias)) {
      const { comment, type } = alias;
      const { elementSummaries: summaries } = type ?? {};
      if (comment === undefined || summaries === undefined) continue;
      if (!type.types.every((member) => member.type === 'literal')) continue;
      for (const [index, { value }] of type.types.entries()) {
        if (summaries[index].length === 0)
          app.logger.validationWarning(`${alias.getFullName()}: ${value} has no comment`);
        comment.summary.push(
          { kind: 'text', text: index === 0 ? '\n\n- ' : '\n- ' },
          { kind: 'code', text: `\`${value}\`` },
          { kind: 'text', text: ': ' },
          ...summaries[index].map((part) => ({ ...part, text: part.text.replaceAll('\n', ' ') })),
        );
      }
    }
  });
}
