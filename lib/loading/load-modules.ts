/**
 * Modules that scripts/bundle.mjs has packed into few files. Each is a function, which is called when the module is first used; a file
 * is read when the first of its modules is.
 */
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { Script } from 'node:vm';
import { leftBehind } from './left-behind.js';

type Factory = (
  exports: object,
  load: (name: string) => object,
  require: NodeJS.Require,
  url: string,
) => void;

type Factories = Readonly<Record<string, Factory | undefined>>;

/** The file that reads the packs, which are beside it. */
export interface Place {
  pathOf(pack: string): string;
  readonly filename: string;
  readonly require: NodeJS.Require;
}

/** @param module why the file is read */
export type Compile = (pack: string, module: string, source: string, filename: string) => Script;

export class Modules {
  readonly #loaded = new Map<string, object>();
  readonly #factories: Factories[] = [];
  readonly #url: string;

  /** @param packs the names of the modules of each file, with spaces around them */
  constructor(
    private readonly packs: Readonly<Record<string, string>>,
    private readonly place: Place,
    private readonly compile: Compile = (_pack, _module, source, filename) =>
      new Script(source, { filename }),
  ) {
    this.#url = pathToFileURL(place.filename).href;
  }

  /** The exports of a module. */
  readonly load = (name: string): object => {
    const known = this.#loaded.get(name);
    if (known !== undefined) return known;
    const factory = this.#find(name) ?? this.#read(name)[name];
    if (factory === undefined) throw new Error(`there is no module ${name}`);
    const exports = {};
    factory(exports, this.load, this.place.require, this.#url);
    this.#loaded.set(name, exports);
    return exports;
  };

  #find(name: string): Factory | undefined {
    for (const factories of this.#factories) {
      const factory = factories[name];
      if (factory !== undefined) return factory;
    }
    return undefined;
  }

  #read(name: string): Factories {
    const pack = Object.keys(this.packs).find((some) => this.packs[some]?.includes(` ${name} `));
    if (pack === undefined) throw new Error(`there is no module ${name}`);
    const path = this.place.pathOf(pack);
    const script = this.compile(pack, name, readPack(path), path);
    const factories = script.runInThisContext() as Factories;
    this.#factories.push(factories);
    return factories;
  }
}

function readPack(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause;
    throw leftBehind(path, cause);
  }
}
