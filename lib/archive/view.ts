/** Which files a process of caisson-archive has before it, and what it does with them: the words of its request. */
import type { UserNamespaceIds } from '../host/user-namespace-ids.js';
import { allLowers, type RootPlan } from '../program/launch-input.js';

/** A directory or file of the host in the container. */
export interface ViewBind {
  /** The source is a path below this directory, which links do not lead out of. */
  readonly base?: string | undefined;
  readonly source: string;
  readonly target: string;
  /** With what is mounted below it. */
  readonly recursive: boolean;
  readonly readOnly: boolean;
}

export type View =
  | {
      /** In the mount namespace of a running container. */
      readonly kind: 'running';
      readonly pid: number;
      readonly startTime: string;
      readonly ownUserNamespace: boolean;
      /** Where mounts of the container's own layers are, `/` first: for `export`. */
      readonly parts: readonly string[];
    }
  | {
      /** What a container that does not run has, mounted in a mount namespace of the process. */
      readonly kind: 'layers';
      /** Undefined for root. */
      readonly users: UserNamespaceIds | undefined;
      /** The container's own, with `upper` and `work`. */
      readonly directory: string;
      readonly root: RootPlan;
      /** The root is; the binds are as they say. */
      readonly readOnly: boolean;
      readonly binds: readonly ViewBind[];
    }
  | {
      /** Only for `diff`: the container's layers, and those of its image. It may be running. */
      readonly kind: 'changes';
      readonly users: UserNamespaceIds | undefined;
      readonly directory: string;
      /** Layers below its own that are not the image's. */
      readonly frozen: readonly string[];
      readonly lowers: readonly string[];
    }
  | {
      /** A directory of the host, as this process has it. */
      readonly kind: 'host';
      readonly path: string;
    };

export type ViewTask =
  | {
      readonly kind: 'diff';
      /** Paths that are told only if they were there before. */
      readonly hidden: readonly string[];
    }
  | {
      /** What `diff` tells, as the layer of an image. */
      readonly kind: 'layer';
      readonly hidden: readonly string[];
    }
  | { readonly kind: 'export' }
  | {
      readonly kind: 'pack';
      readonly path: string;
      /** What the names in the archive begin with. */
      readonly name: string;
      /** The last component is followed where it is a link. */
      readonly follow: boolean;
    }
  | {
      readonly kind: 'extract';
      /** A directory. */
      readonly path: string;
      /** Files have the owners of the archive, or those where the user namespace has them, or this process's. */
      readonly owners: 'archive' | 'mapped' | 'process';
    }
  | {
      readonly kind: 'stat';
      readonly path: string;
      /** Of a link: what it leads to. */
      readonly follow: boolean;
    }
  | { readonly kind: 'serve' };

/** cpp/archive/request.h. */
export function encodeRequest(view: View, task: ViewTask): Buffer {
  const words = [...viewWords(view), ...taskWords(task)];
  return Buffer.from(words.map((word) => `${word}\0`).join(''));
}

type Word = string | number;

function flag(value: boolean): Word {
  return value ? 1 : 0;
}

function counted(values: readonly string[]): Word[] {
  return [values.length, ...values];
}

function viewWords(view: View): Word[] {
  switch (view.kind) {
    case 'running':
      return [
        view.kind,
        view.pid,
        view.startTime,
        flag(view.ownUserNamespace),
        ...counted(view.parts),
      ];
    case 'layers': {
      const own = flag(view.users !== undefined);
      return [view.kind, own, view.directory, ...rootWords(view, own), ...bindWords(view)];
    }
    case 'changes': {
      const own = flag(view.users !== undefined);
      return [
        view.kind,
        own,
        view.directory,
        own,
        ...counted(view.frozen),
        ...counted(view.lowers),
      ];
    }
    case 'host':
      return [view.kind, view.path];
  }
}

function rootWords(
  { root, readOnly }: { readonly root: RootPlan; readonly readOnly: boolean },
  userAttributes: Word,
): Word[] {
  const whole = flag(readOnly || root.readOnly);
  if (root.kind === 'direct') return ['direct', root.path, whole];
  const parts = root.views.flatMap(({ from, to }) => [from, to]);
  return [
    'overlay',
    userAttributes,
    whole,
    ...counted(allLowers(root)),
    root.views.length,
    ...parts,
  ];
}

function bindWords({ binds }: { readonly binds: readonly ViewBind[] }): Word[] {
  return [
    binds.length,
    ...binds.flatMap(({ base = '', source, target, recursive, readOnly }) => [
      base,
      source,
      target,
      flag(recursive),
      flag(readOnly),
    ]),
  ];
}

function taskWords(task: ViewTask): Word[] {
  switch (task.kind) {
    case 'diff':
    case 'layer':
      return [task.kind, ...counted(task.hidden)];
    case 'export':
    case 'serve':
      return [task.kind];
    case 'pack':
      return [task.kind, task.path, task.name, flag(task.follow)];
    case 'stat':
      return [task.kind, task.path, flag(task.follow)];
    case 'extract':
      return [task.kind, task.path, task.owners];
  }
}
