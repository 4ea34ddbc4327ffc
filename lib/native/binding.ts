/** The native surface, typed in one place. The other side: cpp/addon/. What a container tells is in events.ts. */

/** A failed step as the machine records it. */
export interface NativeError {
  /** 0 host, 1 container, 2 teardown. */
  readonly phase: number;
  /** Index in its phase; 0xffffffff: before the first step. */
  readonly step: number;
  /** A positive errno. */
  readonly errno: number;
  readonly call: string;
  readonly object: string;
}

/** What the addon calls: an event's number and its values; `containerListener` of events.ts decodes them. */
export type NativeListener = (
  event: number,
  a?: unknown,
  b?: unknown,
  c?: unknown,
  d?: unknown,
  e?: unknown,
  f?: unknown,
) => void;

/** What starts with the same options have in common. */
export interface NativeTemplate {
  readonly _: unique symbol;
}

/** What the kernel has answered to a request over netlink(7). */
export interface NetlinkOutcome {
  /** Positive; 0: it was done. */
  readonly errno: number;
  /** The system call that failed. */
  readonly call: string;
  /** Of the message that was refused, as it was numbered; 0 if the request as a whole failed. */
  readonly sequence: number;
  /** The kernel's words (NLMSGERR_ATTR_MSG), if it has any. */
  readonly reason: string;
  /** Of a dump: the messages. */
  readonly data: Buffer;
}

/** A launched container, for the calls that take one; they do nothing once it is gone. */
export type NativeContainer = number;

/** A process that `startProcess` has started. It is killed when nothing refers to it any more. */
export interface NativeProcess {
  readonly _: unique symbol;
}

export interface ProcessEnd {
  /** -1: it was killed. */
  readonly code: number;
  /** 0: it has exited. */
  readonly signal: number;
}

export interface Binding {
  /** Whether this is a debug build, in which faults can be injected. */
  readonly faults: boolean;
  setup(initPath: string): void;
  /** Of programs as in lib/program/template.ts. */
  template(
    program: Uint8Array,
    patches: Uint32Array,
    teardown: Uint8Array,
    teardownPatches: Uint32Array,
    /**
     * Of stdin, stdout, stderr, the file that counts OOM kills, and the container's ends of stdout and stderr; -1
     * where there is none.
     */
    slots: readonly number[],
    hold: readonly number[],
  ): NativeTemplate;
  /** The program of one start. @param appended as for `launch`. */
  instantiate(
    program: Uint8Array,
    patches: Uint32Array,
    id: string,
    base: number,
    appended?: Uint8Array,
  ): Uint8Array;
  launch(
    template: NativeTemplate,
    /** Long id. */
    id: string,
    /** Host id of container root; 0 with the host's user ids. */
    base: number,
    /** As by `watchStart`. */
    watchStart: boolean,
    listener: NativeListener,
    /** The texts that the program has of its own, and those of its teardown (lib/program/template.ts). Copied. */
    appended?: Uint8Array,
    appendedToTeardown?: Uint8Array,
  ): NativeContainer;
  /** 0 or a negated errno. */
  kill(container: NativeContainer, signal: number): number;
  /** What has said `waiting` goes on, with this command if it is given one (`claimedCommand`). 0 or a negated errno. */
  goOn(container: NativeContainer, command?: Uint8Array): number;
  /**
   * What was started to be left, and has a terminal, goes on alone: `exited` follows, with -1 and 0. 0 or a
   * negated errno.
   */
  leave(container: NativeContainer): number;
  /** From now on `terminal` and `started` are told: what nobody waits for need not wake this thread. */
  watchStart(container: NativeContainer): void;
  /** No more `data` of stdout (1) or stderr (2) for now: the container's writes fill the pipe, and wait. */
  pause(container: NativeContainer, stream: 1 | 2): void;
  resume(container: NativeContainer, stream: 1 | 2): void;
  /** What comes of stdout (1) or stderr (2) from now on is not captured. */
  passOn(container: NativeContainer, stream: 1 | 2): void;
  /**
   * How many of the bytes stdin or the terminal has taken, or a negated errno; -EAGAIN when it is full:
   * of stdin, `writable` follows.
   */
  write(container: NativeContainer, parts: readonly Uint8Array[]): number;
  /** Nothing more will be written to stdin. */
  endInput(container: NativeContainer): void;
  /** The terminal's size, in characters. 0 or a negated errno. */
  resize(container: NativeContainer, cols: number, rows: number): number;
  /** Runs a program's teardown phase on the teardown thread's thread. */
  tearDown(teardown: Uint8Array, callback: (error: NativeError | null) => void): void;
  /**
   * Starts a supervisor with a configuration (lib/engine/supervisor/supervisor-config.ts); it holds a copy of `ids` (or -1), and one of
   * `lock` until what has become of the start is written down. The callback gets a descriptor of the connection to it.
   */
  keep(
    config: Uint8Array,
    ids: number,
    lock: number,
    id: string,
    callback: (error: NativeError | null, fd: number) => void,
  ): void;
  /**
   * Starts a program with an empty environment. `files` are its descriptors from 0 on: one of this process, -1 for
   * none, or -2 for a socket, of which the end of this process is in `ends`.
   */
  startProcess(
    path: string,
    args: readonly string[],
    files: readonly number[],
  ):
    | { readonly process: NativeProcess; readonly ends: readonly number[] }
    | { readonly errno: number; readonly call: string };
  killProcess(process: NativeProcess): void;
  /** Once for each. What has not closed its descriptors by ending is killed. */
  endProcess(process: NativeProcess): Promise<ProcessEnd>;
  /** A descriptor of an empty network namespace, which stays open; or a negated errno. */
  emptyNetwork(): number;
  /** @param type Default `exclusive`; `shared` needs a descriptor for reading; one turns into the other at once. */
  lockByte(fd: number, offset: number, type?: 'exclusive' | 'shared' | 'none'): boolean;
  /**
   * Makes the directory `staged` with a link in it, whose text is `owner`, and reads the hint (lib/network/bridge/addresses.ts).
   *
   * @param hint a file, which is made if it is missing; empty: none
   * @returns the text of the hint; an errno: nothing is staged; a negative one: of the hint's file
   */
  beginClaim(staged: string, link: string, owner: string, hint: string): string | number;
  /** Renames it to `directory`, and writes the next hint, which may fail. @returns 0 or an errno: it is still `staged` */
  placeClaim(staged: string, directory: string, hint: string, text: string): number;
  /** Of a file; -1: it is empty or cannot be read. */
  firstByte(path: string): number;
  /**
   * A regular file below a root, or below several that are merged as the layers of an overlay, the top one first; or the errno that
   * says why it was not read (cpp/steps/regular_file.h).
   */
  readBelow(roots: readonly string[], path: string, limit: number): Promise<Buffer | number>;
  /**
   * The files at these paths of the host and all directories above them, in one job: equal bytes say that nothing has changed that
   * decides who can reach them (cpp/addon/look_along.h). undefined: one of them is missing, or cannot be looked at.
   */
  lookAlong(paths: readonly string[]): Promise<Uint8Array | undefined>;
  /** Bytes of all regular files below a directory (cpp/addon/tree_size.h). */
  treeSize(path: string): Promise<number>;
  /** The same of a directory in the file system of that type that the file contains, mounted or not. For root. */
  treeSize(image: string, type: string, directory: string): Promise<number>;
  /**
   * Sends messages on a socket of its own.
   *
   * @param network descriptor of the network namespace, or -1 for this process's.
   * @param dump one message, with NLM_F_DUMP.
   * @param settings files below /proc/sys/net that are written first, in the namespace of `network`: path, NUL, value, NUL …
   */
  netlink(
    protocol: number,
    messages: Uint8Array,
    network: number,
    dump: boolean,
    settings: string,
  ): Promise<NetlinkOutcome>;
  /** The same of a dump in this process's network namespace, before the call returns. */
  netlinkNow(protocol: number, message: Uint8Array): NetlinkOutcome;
  /**
   * `Moment` of this process's network namespace (lib/network/firewall/foreign-changes.ts); undefined: the kernel does not tell.
   *
   * @param question the request for the generation of nf_tables
   */
  netfilterMoment(
    question: Uint8Array,
  ): readonly [generation: number, own: number, exact: boolean] | undefined;
  /**
   * Of an interface of this process's network namespace that is up and has these addresses, of 4 or 16 bytes each; 0:
   * there is none. netdevice(7)
   */
  linkIndex(name: string, ...addresses: readonly Uint8Array[]): number;
  probe(): { overlayByDescriptor: boolean };
  /** Counts this process's engines; the program is what the cleanup helper tears down last. */
  retain(atEnd: Uint8Array): void;
  /** A caller waits for a container that is `gone`, or about to be. */
  hurry(): void;
  release(callback: () => void): void;
  compileSeccomp(
    architectures: readonly string[],
    names: readonly string[],
    words: BigUint64Array,
  ): Promise<{ readonly filter: Uint8Array; readonly unknown: readonly string[] }>;
}
