// Writes the declarations of the package, dist/lib/**/*.d.ts: what its entries export, and what that names, of those that the compiler
// has made of all modules in dist/declarations. The others are internal, and no business of a user's compiler and editor.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import ts from 'typescript';

const ROOT = join(import.meta.dirname, '..');
const FROM = join(ROOT, 'dist/declarations/lib');
const TO = join(ROOT, 'dist/lib');

const { exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
const entries = Object.values(exports)
  .filter(({ types }) => types !== undefined)
  .map(({ types }) => join(FROM, types.slice('./dist/lib/'.length)));
const program = ts.createProgram(entries, {
  module: ts.ModuleKind.NodeNext,
  target: ts.ScriptTarget.ES2022,
  lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
  types: ['node'],
});
const checker = program.getTypeChecker();

/** Statements, and names in the braces of imports and exports. */
const kept = new Set();

/** The statement of a module, or the name in its import or export, that a declaration belongs to. */
function partOf(declaration) {
  let node = declaration;
  while (
    !ts.isImportSpecifier(node) &&
    !ts.isExportSpecifier(node) &&
    !ts.isSourceFile(node.parent)
  )
    node = node.parent;
  return node;
}

function keepSymbol(symbol) {
  for (const declaration of symbol?.declarations ?? [])
    if (!ts.isSourceFile(declaration) && declaration.getSourceFile().fileName.startsWith(FROM))
      keep(partOf(declaration));
  if (symbol !== undefined && symbol.flags & ts.SymbolFlags.Alias)
    keepSymbol(checker.getImmediateAliasedSymbol(symbol));
}

function keep(part) {
  if (kept.has(part)) return;
  kept.add(part);
  const visit = (node) => {
    if (ts.isIdentifier(node)) keepSymbol(checker.getSymbolAtLocation(node));
    else ts.forEachChild(node, visit);
  };
  visit(part);
}

for (const entry of entries)
  for (const symbol of checker.getExportsOfModule(
    checker.getSymbolAtLocation(program.getSourceFile(entry)),
  ))
    // prettier-ignore
    keepSymbol(symbol);

/** The statement with what is kept of it. */
function textOf(statement, file) {
  const named = ts.isImportDeclaration(statement)
    ? statement.importClause?.namedBindings
    : ts.isExportDeclaration(statement)
      ? statement.exportClause
      : undefined;
  if (named === undefined || !('elements' in named))
    return kept.has(statement) ? statement.getFullText(file) : '';
  const elements = named.elements.filter((element) => kept.has(element));
  if (elements.length === 0) return '';
  const names = elements.map((element) => element.getText(file)).join(', ');
  const text = file.text;
  return `${text.slice(statement.getFullStart(), named.getStart(file))}{ ${names} }${text.slice(named.getEnd(), statement.getEnd())}`;
}

for (const path of readdirSync(TO, { recursive: true, encoding: 'utf8' }))
  if (path.endsWith('.d.ts')) rmSync(join(TO, path));
for (const file of program.getSourceFiles()) {
  if (!file.fileName.startsWith(FROM)) continue;
  const text = file.statements.map((statement) => textOf(statement, file)).join('');
  if (text === '') continue;
  const path = join(TO, file.fileName.slice(FROM.length));
  mkdirSync(dirname(path), { recursive: true });
  // Without an export of its own, the compiler would take all that is declared as exported.
  writeFileSync(path, `${text.trimStart()}\nexport {};\n`);
}
