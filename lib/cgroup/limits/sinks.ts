/** Where limits go: one sink for each hierarchy that a plan touches, and what it has to say of a file. */
import type { CgroupHierarchy, CgroupLayout } from '../layout.js';
import { missingController, missingFile, nameHere } from './missing.js';
import { invalidOption } from './option-errors.js';
import type { CgroupWrite } from '../writes.js';

/**
 * Files that v1 controllers do not have in a hierarchy's real root (`CFTYPE_NOT_ON_ROOT`), so that their
 * absence there says nothing about a child.
 */
const notOnRoot = /^(?:pids|freezer|hugetlb|rdma)\.|weight/;

/** Whether a container's cgroup has a file: true, false, or undefined where only a probe could tell. */
export function hasFile(hierarchy: CgroupHierarchy, file: string): boolean | undefined {
  if (hierarchy.delegated === true) return hierarchy.files.has(file);
  const controller = file.slice(0, file.indexOf('.'));
  if (hierarchy.probed?.has(controller) === true) return hierarchy.childFiles?.has(file);
  if (hierarchy.files.has(file)) return true;
  if (hierarchy.version === 2 || hierarchy.files.size === 0) return undefined;
  if (hierarchy.mountRoot === '/' && notOnRoot.test(file)) return undefined;
  return false;
}

/** Collects the writes of one hierarchy. */
export class Sink {
  readonly writes: CgroupWrite[] = [];
  /** Controllers that a limit needs: v2 has to enable them. */
  readonly needed = new Set<string>();

  constructor(readonly hierarchy: CgroupHierarchy) {}

  get version(): 1 | 2 {
    return this.hierarchy.version;
  }

  /** False only where the file is known to be missing. */
  offers(file: string): boolean {
    return hasFile(this.hierarchy, file) !== false;
  }

  /** Adds one write, or throws when the kernel is known to lack the file. */
  put(option: string, controller: string, file: string, value: string | number): void {
    if (!this.offers(file)) throw missingFile(option, controller, file);
    if (typeof value === 'number' && (!Number.isSafeInteger(value) || value < 0)) {
      throw invalidOption(option, `${value} is not a whole number`);
    }
    this.writes.push({ file, value: String(value) });
  }
}

/** The sinks of one plan, found by controller. */
export class Sinks {
  private readonly byHierarchy = new Map<CgroupHierarchy, Sink>();

  constructor(readonly layout: CgroupLayout) {}

  /** The sink of a controller's hierarchy; throws when the machine has none. */
  need(option: string, controller: string, v2Name: string = controller): Sink {
    const { controllers } = this.layout;
    const v1 = controllers.get(controller);
    const hierarchy = v1?.version === 1 ? v1 : controllers.get(v2Name);
    if (hierarchy === undefined) {
      throw missingController(this.layout, option, nameHere(this.layout, controller, v2Name));
    }
    const sink = this.of(hierarchy);
    sink.needed.add(hierarchy.version === 2 ? v2Name : controller);
    return sink;
  }

  /** Whether containers can have this controller here. */
  has(controller: string): boolean {
    return this.layout.controllers.has(controller);
  }

  /** The sink of a hierarchy, whichever controllers it has. */
  of(hierarchy: CgroupHierarchy): Sink {
    let sink = this.byHierarchy.get(hierarchy);
    if (sink === undefined) {
      sink = new Sink(hierarchy);
      this.byHierarchy.set(hierarchy, sink);
    }
    return sink;
  }

  get(hierarchy: CgroupHierarchy): Sink | undefined {
    return this.byHierarchy.get(hierarchy);
  }
}
