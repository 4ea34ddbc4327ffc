/** From words to a tree (Go's text/template/parse/parse.go). */
import { TemplateError } from './error.js';
import { FUNCTIONS } from './functions.js';
import { lex, type Piece, type Token, toNumber } from './lex.js';

export type Node =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'print'; readonly pipe: Pipe }
  | {
      readonly kind: 'if' | 'with' | 'range';
      readonly pipe: Pipe;
      readonly body: readonly Node[];
      readonly otherwise: readonly Node[];
    }
  | { readonly kind: 'break' | 'continue' };

export interface Pipe {
  /** `$k, $v :=` */
  readonly variables: readonly string[];
  /** `=`: the variable is there already. */
  readonly assigns: boolean;
  readonly commands: readonly Command[];
  readonly position: number;
}

/** Each is given the result of the one before as its last argument. */
export interface Command {
  readonly operands: readonly [Operand, ...Operand[]];
  readonly position: number;
}

export type Operand =
  | {
      readonly kind: 'constant';
      readonly value: string | number | boolean;
      readonly position: number;
    }
  | { readonly kind: 'nil'; readonly position: number }
  | { readonly kind: 'function'; readonly name: string; readonly position: number }
  /** What the fields are taken of: the dot, a variable, or a pipe in parentheses. */
  | {
      readonly kind: 'chain';
      readonly of: { readonly dot: true } | { readonly variable: string } | { readonly pipe: Pipe };
      readonly fields: readonly string[];
      /** As it was written, for error texts. */
      readonly text: string;
      readonly position: number;
    };

/** Blocks and parentheses inside each other: the parser is recursive, and the stack is not endless. */
const MAX_DEPTH = 100;

export function parse(source: string): readonly Node[] {
  return new Parser(source, lex(source)).run();
}

type Action = Extract<Piece, { readonly kind: 'action' }>;
/** How a list of nodes ended. */
type Ending = { readonly kind: 'end' } | { readonly kind: 'else'; readonly rest: ActionParser };

class Parser {
  readonly #source: string;
  readonly #pieces: readonly Piece[];
  #next = 0;
  #depth = 0;
  #loops = 0;
  /** Names that are known here, the innermost last. */
  #variables: string[] = ['$'];

  constructor(source: string, pieces: readonly Piece[]) {
    this.#source = source;
    this.#pieces = pieces;
  }

  run(): readonly Node[] {
    const { nodes } = this.#list(undefined);
    return nodes;
  }

  /** Up to the `else` or `end` of the block that `opener` began; of the whole template without one. */
  #list(opener: Action | undefined): { readonly nodes: readonly Node[]; readonly ending: Ending } {
    const nodes: Node[] = [];
    for (;;) {
      const piece = this.#pieces[this.#next++];
      if (piece === undefined) {
        if (opener === undefined) return { nodes, ending: { kind: 'end' } };
        throw new TemplateError('parse', 'unexpected EOF', this.#source, this.#source.length);
      }
      if (piece.kind === 'text') {
        nodes.push(piece);
        continue;
      }
      const action = new ActionParser(this.#source, piece, this.#variables);
      const word = action.keyword();
      switch (word) {
        case 'end':
          action.finish('end');
          if (opener === undefined) throw action.error('unexpected {{end}}');
          return { nodes, ending: { kind: 'end' } };
        case 'else':
          if (opener === undefined) throw action.error('unexpected {{else}}');
          return { nodes, ending: { kind: 'else', rest: action } };
        case 'if':
        case 'with':
        case 'range':
          nodes.push(this.#block(word, piece, action));
          break;
        case 'break':
        case 'continue':
          action.finish(word);
          if (this.#loops === 0) throw action.error(`{{${word}}} outside {{range}}`);
          nodes.push({ kind: word });
          break;
        case 'define':
        case 'template':
        case 'block':
          throw action.error(`{{${word}}} is not supported`);
        case undefined: {
          const pipe = action.pipe('command', 1);
          this.#variables.push(...(pipe.assigns ? [] : pipe.variables));
          nodes.push({ kind: 'print', pipe });
        }
      }
    }
  }

  #block(kind: 'if' | 'with' | 'range', piece: Action, action: ActionParser): Node {
    if (++this.#depth > MAX_DEPTH) throw action.error('blocks are nested too deeply');
    const outer = this.#variables;
    this.#variables = [...outer];
    action.variables = this.#variables;
    const pipe = action.pipe(kind, kind === 'range' ? 2 : 1);
    if (!pipe.assigns) this.#variables.push(...pipe.variables);
    if (kind === 'range') this.#loops++;
    const { nodes: body, ending } = this.#list(piece);
    if (kind === 'range') this.#loops--;
    let otherwise: readonly Node[] = [];
    if (ending.kind === 'else') {
      const { rest } = ending;
      const word = rest.elseKeyword();
      if (word === undefined) {
        const last = this.#list(piece);
        if (last.ending.kind === 'else')
          throw last.ending.rest.error('expected end; found {{else}}');
        otherwise = last.nodes;
      } else if (word === kind) {
        // `{{else if}}` has no `{{end}}` of its own.
        otherwise = [this.#block(kind, piece, rest)];
      } else throw rest.error(`unexpected <${word}> in else`);
    }
    this.#variables = outer;
    this.#depth--;
    return { kind, pipe, body, otherwise };
  }
}

const KEYWORDS = [
  'if',
  'with',
  'range',
  'else',
  'end',
  'break',
  'continue',
  'define',
  'template',
  'block',
] as const;
type Keyword = (typeof KEYWORDS)[number];

class ActionParser {
  /** Names that are known here. */
  variables: readonly string[];
  readonly #source: string;
  readonly #action: Action;
  readonly #tokens: readonly Token[];
  #next = 0;

  constructor(source: string, action: Action, variables: readonly string[]) {
    this.#source = source;
    this.#action = action;
    this.#tokens = action.tokens;
    this.variables = variables;
  }

  error(message: string, position = this.#action.position): TemplateError {
    return new TemplateError('parse', message, this.#source, position);
  }

  #peek(): Token | undefined {
    return this.#tokens[this.#next];
  }

  #skipSpace(): Token | undefined {
    while (this.#tokens[this.#next]?.kind === 'space') this.#next++;
    return this.#tokens[this.#next];
  }

  #isSymbol(text: string, token = this.#peek()): boolean {
    return token?.kind === 'symbol' && token.text === text;
  }

  keyword(): Keyword | undefined {
    const token = this.#skipSpace();
    if (token?.kind !== 'identifier') return undefined;
    const word = KEYWORDS.find((name) => name === token.text);
    if (word !== undefined) this.#next++;
    return word;
  }

  /** What stands after `else`: nothing, `if` or `with`. */
  elseKeyword(): 'if' | 'with' | undefined {
    const token = this.#skipSpace();
    if (token === undefined) return undefined;
    this.#next++;
    if (token.kind === 'identifier' && (token.text === 'if' || token.text === 'with'))
      return token.text;
    throw this.error(`unexpected ${show(token)} in else`, token.position);
  }

  finish(context: string): void {
    const token = this.#skipSpace();
    if (token !== undefined)
      throw this.error(`unexpected ${show(token)} in ${context}`, token.position);
  }

  /** The rest of the action. */
  pipe(context: string, maxVariables: number): Pipe {
    const pipe = this.#pipeline(context, maxVariables, 0);
    this.finish(context);
    return pipe;
  }

  #pipeline(context: string, maxVariables: number, depth: number): Pipe {
    if (depth > MAX_DEPTH) throw this.error('parentheses are nested too deeply');
    const start = this.#skipSpace()?.position ?? this.#action.position;
    const { variables, assigns } = this.#declarations(context, maxVariables);
    const commands: Command[] = [];
    for (;;) {
      const token = this.#skipSpace();
      if (token === undefined || this.#isSymbol(')')) {
        if (commands.length === 0)
          throw this.error(`missing value for ${context}`, token?.position);
        break;
      }
      const command = this.#command(depth);
      const [first] = command.operands;
      if (commands.length > 0 && (first.kind === 'constant' || first.kind === 'nil'))
        throw this.error(
          `non executable command in pipeline stage ${commands.length + 1}`,
          first.position,
        );
      commands.push(command);
      this.#skipSpace();
      if (!this.#isSymbol('|')) break;
      this.#next++;
      const after = this.#skipSpace();
      if (after === undefined || this.#isSymbol(')'))
        throw this.error(`missing value for ${context}`, after?.position);
    }
    return { variables, assigns, commands, position: start };
  }

  /** `$v :=`, `$v =`, and of a range `$k, $v :=`. */
  #declarations(
    context: string,
    max: number,
  ): { readonly variables: readonly string[]; readonly assigns: boolean } {
    const start = this.#next;
    const names: string[] = [];
    for (;;) {
      const token = this.#skipSpace();
      if (token?.kind !== 'variable') break;
      names.push(token.text);
      this.#next++;
      const after = this.#skipSpace();
      if (this.#isSymbol(',', after) && names.length < max) {
        this.#next++;
        continue;
      }
      if (this.#isSymbol(':=', after) || this.#isSymbol('=', after)) {
        this.#next++;
        const assigns = after?.text === '=';
        if (assigns) for (const name of names) this.#known(name, token);
        return { variables: names, assigns };
      }
      if (this.#isSymbol(',', after)) throw this.error(`too many declarations in ${context}`);
      break;
    }
    if (names.length > 1) throw this.error(`range can only initialize variables`);
    this.#next = start;
    return { variables: [], assigns: false };
  }

  #known(name: string, token: Token): void {
    if (!this.variables.includes(name))
      throw this.error(`undefined variable "${name}"`, token.position);
  }

  #command(depth: number): Command {
    const operands: Operand[] = [];
    const position = this.#skipSpace()?.position ?? this.#action.position;
    for (;;) {
      const token = this.#skipSpace();
      if (token === undefined || this.#isSymbol('|') || this.#isSymbol(')')) break;
      operands.push(this.#operand(token, depth));
      const after = this.#peek();
      if (after !== undefined && after.kind !== 'space' && after.kind !== 'symbol')
        throw this.error(`unexpected ${show(after)} in operand`, after.position);
      if (this.#isSymbol('(', after))
        throw this.error(`unexpected ${show(after)} in operand`, after?.position);
    }
    const [first, ...rest] = operands;
    if (first === undefined) throw this.error('empty command', position);
    if (rest.length > 0 && (first.kind === 'constant' || first.kind === 'nil'))
      throw this.error(`can't give argument to non-function`, first.position);
    return { operands: [first, ...rest], position };
  }

  #operand(token: Token, depth: number): Operand {
    const { position, text } = token;
    this.#next++;
    switch (token.kind) {
      case 'string':
        return this.#noFields({ kind: 'constant', value: text, position });
      case 'number':
        return this.#noFields({ kind: 'constant', value: toNumber(text), position });
      case 'identifier':
        if (text === 'true' || text === 'false')
          return this.#noFields({ kind: 'constant', value: text === 'true', position });
        if (text === 'nil') return this.#noFields({ kind: 'nil', position });
        if (!FUNCTIONS.has(text)) throw this.error(`function "${text}" not defined`, position);
        return this.#noFields({ kind: 'function', name: text, position });
      case 'variable':
        this.#known(text, token);
        return { kind: 'chain', of: { variable: text }, ...this.#fields(text), position };
      case 'field': {
        const { fields, text: rest } = this.#fields('');
        return {
          kind: 'chain',
          of: { dot: true },
          fields: text === '.' ? fields : [text.slice(1), ...fields],
          text: text + rest,
          position,
        };
      }
      case 'space':
        break;
      case 'symbol':
        if (text === '(') {
          const pipe = this.#pipeline('parenthesized pipeline', 0, depth + 1);
          this.#skipSpace();
          if (!this.#isSymbol(')')) throw this.error('unclosed left paren', position);
          this.#next++;
          return { kind: 'chain', of: { pipe }, ...this.#fields('(…)'), position };
        }
    }
    throw this.error(`unexpected ${show(token)} in operand`, position);
  }

  #noFields(operand: Operand): Operand {
    const after = this.#peek();
    if (after?.kind === 'field')
      throw this.error(`unexpected ${show(after)} after term`, after.position);
    return operand;
  }

  /** `.A.B` right behind a term. */
  #fields(text: string): { readonly fields: readonly string[]; readonly text: string } {
    const fields: string[] = [];
    let spelled = text;
    for (;;) {
      const token = this.#peek();
      if (token?.kind !== 'field') return { fields, text: spelled };
      if (token.text === '.') throw this.error('unexpected <.> in operand', token.position);
      fields.push(token.text.slice(1));
      spelled += token.text;
      this.#next++;
    }
  }
}

function show(token: Token | undefined): string {
  return token === undefined ? 'end' : `<${token.text}>`;
}
