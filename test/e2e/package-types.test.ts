/** The declarations that are in the package: what the TypeScript compiler of a user sees. */
import { expect } from 'chai';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { STRICT } from '../support/strict-typescript.js';

const LIB = fileURLToPath(new URL('../../lib/', import.meta.url));
const INDEX = `${LIB}index.d.ts`;
const ENTRIES = [INDEX, `${LIB}testing/testing.d.ts`, `${LIB}pty/pty.d.ts`];

function messages(diagnostics: readonly ts.Diagnostic[]): string[] {
  return diagnostics.map(({ file, start, messageText }) => {
    const line = file?.getLineAndCharacterOfPosition(start ?? 0).line;
    return `${file?.fileName}:${(line ?? 0) + 1}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
  });
}

describe('the declarations of the package', function () {
  this.timeout(60_000);
  let program: ts.Program;
  let checker: ts.TypeChecker;
  const real = (symbol: ts.Symbol) =>
    symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
  const exportsOf = (entry: string) => {
    const module = checker.getSymbolAtLocation(program.getSourceFile(entry)!)!;
    return checker.getExportsOfModule(module).map(real);
  };

  before(() => {
    program = ts.createProgram(ENTRIES, STRICT);
    checker = program.getTypeChecker();
  });

  it('The declarations compile on their own', () => {
    const ours = program.getSourceFiles().filter(({ fileName }) => fileName.startsWith(LIB));
    expect(ours).to.not.be.empty;
    expect(messages(ours.flatMap((file) => [...ts.getPreEmitDiagnostics(program, file)]))).to.be
      .empty;
  });

  it('No declaration has a member that is marked as internal', () => {
    const marked = program
      .getSourceFiles()
      .filter(({ fileName, text }) => fileName.startsWith(LIB) && text.includes('@internal'));
    expect(marked.map(({ fileName }) => fileName)).to.be.empty;
  });

  it('Nothing is declared that is not exported', () => {
    const exported = new Set(ENTRIES.flatMap(exportsOf));
    const files = ts.sys.readDirectory(LIB, ['.d.ts']);
    expect(files).to.have.length.above(20);
    const internal = files.flatMap((path) => {
      const file = program.getSourceFile(path);
      if (file === undefined) return [`all of ${path}`];
      return file.statements
        .flatMap((one): readonly (ts.Node & { name?: ts.Node })[] =>
          ts.isVariableStatement(one) ? one.declarationList.declarations : [one],
        )
        .flatMap(({ name }) => name ?? [])
        .filter((name) => !exported.has(checker.getSymbolAtLocation(name)!))
        .map((name) => `${name.getText()} of ${path.slice(LIB.length)}`);
    });
    expect(internal).to.deep.equal([]);
  });

  it('Each type in a public signature is exported by its entry or by lib/index.ts', () => {
    const missing = new Set<string>();
    const visit = (node: ts.Node, from: string, visible: ReadonlySet<ts.Symbol>): void => {
      const name = ts.isTypeReferenceNode(node)
        ? node.typeName
        : ts.isExpressionWithTypeArguments(node)
          ? node.expression
          : ts.isImportTypeNode(node)
            ? node.qualifier
            : ts.isTypeQueryNode(node)
              ? node.exprName
              : undefined;
      const found = name && checker.getSymbolAtLocation(name);
      if (found !== undefined) {
        const symbol = real(found);
        const file = symbol.declarations?.[0]?.getSourceFile().fileName ?? '';
        const parameter = (symbol.flags & ts.SymbolFlags.TypeParameter) !== 0;
        if (file.startsWith(LIB) && !parameter && !visible.has(symbol))
          missing.add(`${symbol.name} of ${file.slice(LIB.length)}, which ${from} names`);
      }
      ts.forEachChild(node, (child) => visit(child, from, visible));
    };
    for (const entry of ENTRIES) {
      const own = exportsOf(entry);
      const visible = new Set([...own, ...exportsOf(INDEX)]);
      for (const { name, declarations } of own)
        for (const declaration of declarations ?? []) visit(declaration, name, visible);
    }
    expect([...missing]).to.deep.equal([]);
  });

  it('What test/types expects of the sources holds for the declarations too', () => {
    const files = ts.sys.readDirectory('test/types', ['.ts', '.mts', '.cts']);
    expect(files).to.not.be.empty;
    const users = ts.createProgram(files, { ...STRICT, skipLibCheck: true });
    const resolved = users.getSourceFiles().map(({ fileName }) => fileName);
    expect(resolved, 'the package is resolved to its declarations').to.include(INDEX);
    expect(messages(ts.getPreEmitDiagnostics(users))).to.be.empty;
  });
});
