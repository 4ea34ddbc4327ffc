/** Runs a template's tree over a value (Go's text/template/exec.go). */
import { isStringMap, structType } from '../../docker/go-values.js';
import { TemplateError } from './error.js';
import { FunctionFailure, type TemplateFunction } from './functions.js';
import type { Command, Node, Operand, Pipe } from './parse.js';
import { format, has, isObject, sortedKeys, truth, typeName } from './values.js';

export interface EvaluateOptions {
  readonly functions: ReadonlyMap<string, TemplateFunction>;
  /** A key that a map does not have: `<no value>`, or an error. */
  readonly missingKey: 'no-value' | 'error';
}

/** A template is written by hand and made for one object; what exceeds these is a mistake in it. */
const MAX_STEPS = 200_000;
const MAX_OUTPUT = 64 * 2 ** 20;
const MAX_VALUE = 8 * 2 ** 20;
/** Characters or elements that count as one step. */
const WEIGHT = 1000;

export function evaluate(
  source: string,
  nodes: readonly Node[],
  data: unknown,
  options: EvaluateOptions,
): string {
  return new Evaluation(source, data, options).run(nodes);
}

type Jump = 'break' | 'continue' | undefined;
type Chain = Extract<Operand, { readonly kind: 'chain' }>;

class Evaluation {
  readonly #source: string;
  readonly #options: EvaluateOptions;
  readonly #data: unknown;
  readonly #variables: { readonly name: string; value: unknown }[];
  #output = '';
  #steps = 0;

  constructor(source: string, data: unknown, options: EvaluateOptions) {
    this.#source = source;
    this.#options = options;
    this.#data = data;
    this.#variables = [{ name: '$', value: data }];
  }

  run(nodes: readonly Node[]): string {
    this.#walk(nodes, this.#data);
    return this.#output;
  }

  #error(message: string, position: number, text?: string): TemplateError {
    const where = text === undefined ? '' : ` at <${text}>`;
    return new TemplateError('execute', `executing ""${where}: ${message}`, this.#source, position);
  }

  #step(position: number): void {
    if (++this.#steps > MAX_STEPS) throw this.#error('the template takes too long', position);
  }

  /** Long texts and lists are work too: a loop can make them twice as long each time. */
  #weigh(value: unknown, position: number): void {
    const size = typeof value === 'string' || Array.isArray(value) ? value.length : 0;
    if (size > MAX_VALUE) throw this.#error('a value is too long', position);
    this.#steps += Math.trunc(size / WEIGHT);
    this.#step(position);
  }

  #print(text: string, position: number): void {
    if (this.#output.length + text.length > MAX_OUTPUT)
      throw this.#error('the output is too long', position);
    this.#output += text;
  }

  #walk(nodes: readonly Node[], dot: unknown): Jump {
    for (const node of nodes) {
      const jump = this.#node(node, dot);
      if (jump !== undefined) return jump;
    }
    return undefined;
  }

  #node(node: Node, dot: unknown): Jump {
    switch (node.kind) {
      case 'text':
        this.#step(0);
        this.#print(node.text, 0);
        return undefined;
      case 'print': {
        const value = this.#pipe(node.pipe, dot);
        if (node.pipe.variables.length === 0) this.#print(format(value), node.pipe.position);
        return undefined;
      }
      case 'break':
      case 'continue':
        return node.kind;
      case 'if':
      case 'with': {
        const mark = this.#variables.length;
        const value = this.#pipe(node.pipe, dot);
        const jump = truth(value)
          ? this.#walk(node.body, node.kind === 'with' ? value : dot)
          : this.#walk(node.otherwise, dot);
        this.#variables.length = mark;
        return jump;
      }
      case 'range':
        return this.#range(node.pipe, node.body, node.otherwise, dot);
    }
  }

  #range(pipe: Pipe, body: readonly Node[], otherwise: readonly Node[], dot: unknown): Jump {
    const mark = this.#variables.length;
    const value = this.#commands(pipe, dot);
    let empty = true;
    for (const [key, element] of this.#entries(value, pipe.position)) {
      empty = false;
      this.#step(pipe.position);
      const [first, second] = pipe.variables;
      if (second !== undefined) {
        this.#set(pipe, first ?? '', key);
        this.#set(pipe, second, element);
      } else if (first !== undefined) this.#set(pipe, first, element);
      const ended = this.#walk(body, element);
      this.#variables.length = mark;
      if (ended === 'break') break;
    }
    const jump = empty ? this.#walk(otherwise, dot) : undefined;
    this.#variables.length = mark;
    return jump;
  }

  *#entries(value: unknown, position: number): Generator<readonly [string | number, unknown]> {
    if (value === undefined || value === null) return;
    if (Array.isArray(value)) yield* value.entries();
    else if (isObject(value) && structType(value) === undefined)
      for (const key of sortedKeys(value)) yield [key, value[key]];
    else if (typeof value === 'number' && Number.isInteger(value))
      for (let at = 0; at < value; at++) yield [at, at];
    else throw this.#error(`range can't iterate over ${typeName(value)}`, position);
  }

  #set({ assigns, position }: Pipe, name: string, value: unknown): void {
    if (!assigns) {
      this.#variables.push({ name, value });
      return;
    }
    this.#find(name, position).value = value;
  }

  /** The innermost. One can be missing at run time: declared in a branch that was not taken. */
  #find(name: string, position: number): { value: unknown } {
    const found = this.#variables.findLast((variable) => variable.name === name);
    if (found === undefined) throw this.#error(`undefined variable: ${name}`, position);
    return found;
  }

  #pipe(pipe: Pipe, dot: unknown): unknown {
    const value = this.#commands(pipe, dot);
    for (const name of pipe.variables) this.#set(pipe, name, value);
    return value;
  }

  #commands({ commands }: Pipe, dot: unknown): unknown {
    let previous: readonly [] | readonly [unknown] = [];
    for (const command of commands) previous = [this.#command(command, dot, previous)];
    return previous[0];
  }

  #command(
    { operands: [first, ...rest] }: Command,
    dot: unknown,
    previous: readonly unknown[],
  ): unknown {
    this.#step(first.position);
    switch (first.kind) {
      case 'constant':
        return first.value;
      case 'nil':
        throw this.#error('nil is not a command', first.position, 'nil');
      case 'function':
        return this.#call(first.name, first.position, rest, dot, previous);
      case 'chain':
        return this.#chain(
          first,
          dot,
          rest.length + previous.length === 0
            ? undefined
            : () => [...rest.map((operand) => this.#operand(operand, dot)), ...previous],
        );
    }
  }

  /** One that is not called: an argument. */
  #operand(operand: Operand, dot: unknown): unknown {
    this.#step(operand.position);
    switch (operand.kind) {
      case 'constant':
        return operand.value;
      case 'nil':
        return null;
      case 'function':
        return this.#call(operand.name, operand.position, [], dot, []);
      case 'chain':
        return this.#chain(operand, dot, undefined);
    }
  }

  #call(
    name: string,
    position: number,
    operands: readonly Operand[],
    dot: unknown,
    previous: readonly unknown[],
  ): unknown {
    const called = this.#options.functions.get(name);
    if (called === undefined) throw this.#error(`"${name}" is not a defined function`, position);
    const count = operands.length + previous.length;
    if (count < called.min || count > called.max) {
      const want =
        count < called.min && called.max > called.min ? `at least ${called.min}` : called.max;
      throw this.#error(
        `wrong number of args for ${name}: want ${want} got ${count}`,
        position,
        name,
      );
    }
    if (name === 'and' || name === 'or') return this.#shortCircuit(name, operands, dot, previous);
    const args = [...operands.map((operand) => this.#operand(operand, dot)), ...previous];
    for (const arg of args) this.#weigh(arg, position);
    return this.#guarded(name, position, () => called.call(args));
  }

  /** Errors of functions get a place. */
  #guarded(name: string, position: number, call: () => unknown): unknown {
    try {
      const value = call();
      this.#weigh(value, position);
      return value;
    } catch (error) {
      // A RangeError: the text would be longer than V8 can make one.
      if (!(error instanceof FunctionFailure || error instanceof RangeError)) throw error;
      throw this.#error(`error calling ${name}: ${error.message}`, position, name);
    }
  }

  #shortCircuit(
    name: 'and' | 'or',
    operands: readonly Operand[],
    dot: unknown,
    previous: readonly unknown[],
  ): unknown {
    let value: unknown;
    for (const operand of operands) {
      value = this.#operand(operand, dot);
      if (truth(value) === (name === 'or')) return value;
    }
    return previous.length > 0 ? previous[0] : value;
  }

  /** `args` are for the last field, which is then a method. */
  #chain(
    { of, fields, text, position }: Chain,
    dot: unknown,
    args: (() => readonly unknown[]) | undefined,
  ): unknown {
    let value =
      'dot' in of
        ? dot
        : 'variable' in of
          ? this.#find(of.variable, position).value
          : this.#pipe(of.pipe, dot);
    if (fields.length === 0 && args !== undefined)
      throw this.#error(`can't give argument to non-function ${text}`, position, text);
    for (const [at, name] of fields.entries()) {
      value = this.#field(
        value,
        name,
        { text, position },
        at === fields.length - 1 ? args : undefined,
      );
    }
    return value;
  }

  #field(
    value: unknown,
    name: string,
    { text, position }: { readonly text: string; readonly position: number },
    args: (() => readonly unknown[]) | undefined,
  ): unknown {
    const strict = this.#options.missingKey === 'error';
    if (value === undefined) {
      if (strict) throw this.#error(`nil data; no entry for key "${name}"`, position, text);
      return undefined;
    }
    if (value === null)
      throw this.#error(`nil pointer evaluating interface {}.${name}`, position, text);
    const type = structType(value);
    if (!isObject(value) || (type !== undefined && !has(value, name)))
      throw this.#error(`can't evaluate field ${name} in type ${typeName(value)}`, position, text);
    const found = has(value, name) ? value[name] : undefined;
    if (typeof found === 'function' && type !== undefined) {
      const given = args?.() ?? [];
      if (given.length !== found.length)
        throw this.#error(
          `wrong number of args for ${name}: want ${found.length} got ${given.length}`,
          position,
          text,
        );
      return this.#guarded(name, position, () =>
        (found as (...all: readonly unknown[]) => unknown)(...given),
      );
    }
    if (args !== undefined)
      throw this.#error(
        type === undefined
          ? `${name} is not a method but has arguments`
          : `${name} has arguments but cannot be invoked as function`,
        position,
        text,
      );
    // As Docker: a label that is not there is no mistake.
    if (found === undefined && strict && !has(value, name) && !isStringMap(value))
      throw this.#error(`map has no entry for key "${name}"`, position, text);
    return found;
  }
}
