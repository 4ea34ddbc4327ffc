/** The examples of the public declarations, as `@example` has them. */
import { readFileSync } from 'node:fs';
import ts from 'typescript';

export interface ApiExample {
  /** `Engine.run`, `rootfs`. */
  readonly name: string;
  /** Empty: there is none. */
  readonly code: string;
}

/** Of a promise: there is nothing to show. */
const OF_PROMISES: ReadonlySet<string> = new Set(['then', 'catch', 'finally']);

interface Manifest {
  readonly exports: Readonly<Record<string, string | { readonly types?: string }>>;
}

/** One for each function, method and error that the entries of the package export. */
export function apiExamples(): ApiExample[] {
  const { exports } = JSON.parse(readFileSync('package.json', 'utf8')) as Manifest;
  const entries = Object.values(exports).flatMap((entry) =>
    typeof entry === 'string' || entry.types === undefined ? [] : [entry.types],
  );
  const program = ts.createProgram(entries, {
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
    types: ['node'],
    skipLibCheck: true,
  });
  const checker = program.getTypeChecker();
  const exampleOf = (symbol: ts.Symbol): string =>
    symbol
      .getJsDocTags(checker)
      .filter(({ name }) => name === 'example')
      .map(({ text }) => ts.displayPartsToString(text))
      .join('\n');
  const found: ApiExample[] = [];
  for (const entry of entries) {
    const module = checker.getSymbolAtLocation(program.getSourceFile(entry)!)!;
    for (const exported of checker.getExportsOfModule(module)) {
      const symbol =
        exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
      const { name } = symbol;
      if (symbol.flags & ts.SymbolFlags.Function) found.push({ name, code: exampleOf(symbol) });
      if (!(symbol.flags & ts.SymbolFlags.Class)) continue;
      const methods = [...(symbol.members ?? []), ...(symbol.exports ?? [])]
        .filter(
          ([key, { flags }]) => flags & ts.SymbolFlags.Method && !String(key).startsWith('__@'),
        )
        .filter(([key]) => !OF_PROMISES.has(String(key)));
      if (methods.length === 0) found.push({ name, code: exampleOf(symbol) });
      for (const [key, method] of methods)
        found.push({ name: `${name}.${String(key)}`, code: exampleOf(method) });
    }
  }
  return found;
}

/** Without what the examples have in common. */
function parts(code: string): { imports: string; body: string } {
  const imports = code.match(/^ *import .*;$/gm) ?? [];
  return { imports: imports.join('\n'), body: code.replaceAll(/^ *import .*;$/gm, '') };
}

/** The same with the declarations of what they have, as TypeScript. */
export function typedExample({ code }: ApiExample): string {
  const { imports, body } = parts(code);
  return `import type { Container as GivenContainer, Engine as GivenEngine } from 'caisson';
${imports}
export async function example(engine: GivenEngine, box: GivenContainer): Promise<void> {
  {
${body}
  }
}
`;
}

/**
 * A program that runs all of them, one after the other: each gets an engine with directories of its own and, if it names it, a
 * container `box`. Prints a report.
 */
export function exampleRunner(examples: readonly ApiExample[]): string {
  const imports = new Set<string>();
  const cases = examples.map(({ name, code }) => {
    const { imports: needed, body } = parts(code);
    for (const line of needed.split('\n')) imports.add(line.trim());
    return `[${JSON.stringify(name)}, ${/\bbox\b/.test(code)}, async (engine, box) => {\n{\n${body}\n}\n}],`;
  });
  // The same names come from one module each.
  imports.add("import { Engine } from 'caisson';");
  return `${[...imports].join('\n')}
import { format } from 'node:util';
const given = await Engine.open({ dataRoot: 'data', runRoot: 'run' });
await given.images.pull('busybox');
const report = [];
const print = console.log;
for (const [name, needsBox, example] of [
${cases.join('\n')}
]) {
  const lines = [];
  console.log = (...values) => void lines.push(...format(...values).split('\\n'));
  const box = needsBox ? await given.create('busybox', ['sleep', '600']) : undefined;
  let error;
  try {
    await box?.start();
    await example(given, box);
  } catch (thrown) {
    error = String(thrown?.stack ?? thrown);
  }
  await box?.[Symbol.asyncDispose]();
  const left = (await given.list()).map(({ config }) => config.id);
  for (const id of left) await (await given.get(id)).remove({ force: true });
  report.push({ name, lines, error, left });
}
await given.close();
print(JSON.stringify(report));
`;
}
