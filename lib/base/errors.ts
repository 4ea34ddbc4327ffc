/**
 * The errors of caisson. Every failure that it reports is a `CaissonError` with a `code`, so that no program has to
 * parse the text.
 */

/** The kinds of failures. */
export type ErrorCode =
  /** An option's value is malformed or out of range. */
  | 'ERR_INVALID_OPTION'
  /** An option of Docker or OCI that caisson does not have (yet). */
  | 'ERR_UNSUPPORTED_OPTION'
  /** Options that exclude each other. */
  | 'ERR_CONFLICTING_OPTIONS'
  /** A `--format` that is not a template, or does not fit its data. */
  | 'ERR_INVALID_TEMPLATE'
  /** Neither this machine nor the registry has the image, or it has no manifest for the platform. */
  | 'ERR_NO_SUCH_IMAGE'
  /** A Dockerfile has a mistake; the message begins with its line. */
  | 'ERR_INVALID_DOCKERFILE'
  /** A program of RUN has ended with another exit code than 0. */
  | 'ERR_BUILD_FAILED'
  /** What ADD names by a URL could not be fetched. */
  | 'ERR_DOWNLOAD_FAILED'
  /** The name of an image is malformed. */
  | 'ERR_INVALID_REFERENCE'
  /** A manifest or an index is malformed, too large, or of an unknown kind. */
  | 'ERR_INVALID_MANIFEST'
  /** Bytes have another digest or another size than the manifest says. */
  | 'ERR_DIGEST_MISMATCH'
  /** No connection to the registry could be made or kept, or its certificate is not trusted. */
  | 'ERR_REGISTRY_UNREACHABLE'
  /** The registry has refused the credentials, or wants some. */
  | 'ERR_REGISTRY_UNAUTHORIZED'
  /** The registry has refused further requests for a time. */
  | 'ERR_RATE_LIMITED'
  /** The registry has answered with an error, or against its protocol. */
  | 'ERR_REGISTRY_FAILED'
  /** registries.conf forbids the registry. */
  | 'ERR_REGISTRY_BLOCKED'
  /** A configuration file of registries or credentials is malformed, or a credential helper has failed. */
  | 'ERR_REGISTRY_CONFIG'
  /** A configuration, a layer or an archive of an image is malformed, or a blob of it is missing. */
  | 'ERR_INVALID_IMAGE'
  /** Overlay takes no more layers: a container has been forked too often. */
  | 'ERR_TOO_MANY_LAYERS'
  /** A container uses the image, or it has several names. */
  | 'ERR_IMAGE_IN_USE'
  /** The root directory is missing, not a directory, or empty. */
  | 'ERR_INVALID_ROOTFS'
  /** A user or group is not in the container's own account files. */
  | 'ERR_NO_SUCH_USER'
  /** The source of a bind mount or device does not exist. */
  | 'ERR_NO_SUCH_SOURCE'
  /** Another container, or another network, has that name. */
  | 'ERR_NAME_IN_USE'
  /** No detached container has that name, id or beginning of an id. */
  | 'ERR_NO_SUCH_CONTAINER'
  /** No network has that name, id or beginning of an id. */
  | 'ERR_NO_SUCH_NETWORK'
  /** Containers have addresses of the network. */
  | 'ERR_NETWORK_IN_USE'
  /** No volume has that name. */
  | 'ERR_NO_SUCH_VOLUME'
  /** Containers have the volume. */
  | 'ERR_VOLUME_IN_USE'
  /** Another network, or another interface of the host, has some of the subnet's addresses. */
  | 'ERR_SUBNET_OVERLAP'
  /** A name that a policy allows has no address. */
  | 'ERR_NAME_NOT_FOUND'
  /** Another container has the address, or the network itself does. */
  | 'ERR_ADDRESS_IN_USE'
  /** The container is on that network. */
  | 'ERR_ALREADY_CONNECTED'
  /** The container is not on that network. */
  | 'ERR_NOT_CONNECTED'
  /** No subnet is left for a network, or no address for a container. */
  | 'ERR_ADDRESSES_EXHAUSTED'
  /** The ids of several containers or networks have this prefix. */
  | 'ERR_AMBIGUOUS_ID'
  /**
   * The operation needs a container that does not run. Where the operation has `force`, it ends the container first.
   */
  | 'ERR_CONTAINER_RUNNING'
  /** The operation needs a container that is not paused. */
  | 'ERR_CONTAINER_PAUSED'
  /** The container is not paused. */
  | 'ERR_CONTAINER_NOT_PAUSED'
  /** Another process has held the container's lock for too long. */
  | 'ERR_LOCK_TIMEOUT'
  /** A file of the container is truncated, or was not written by caisson. */
  | 'ERR_DAMAGED_STATE'
  /** Files could not be removed; `path` and `errno` say which and why. */
  | 'ERR_REMOVE_FAILED'
  /** The data or run directory cannot be written: full, over its quota, read-only, or broken; `errno` says which. */
  | 'ERR_STORAGE'
  /** The container has no log. */
  | 'ERR_NO_LOG'
  /** A line of output has more bytes than `maxLine` allows. */
  | 'ERR_LINE_TOO_LONG'
  /** The condition that was waited for was not met in time. */
  | 'ERR_TIMEOUT'
  /** There is no such program, or no interpreter for it. */
  | 'ERR_COMMAND_NOT_FOUND'
  /** The program may not be executed, or is none. */
  | 'ERR_COMMAND_NOT_EXECUTABLE'
  /** The working directory cannot be entered. */
  | 'ERR_INVALID_WORKDIR'
  /** No cgroup controller of this machine can set the requested limit. */
  | 'ERR_CGROUP_CONTROLLER_MISSING'
  /** systemd could not be reached, or did not give the container a scope. */
  | 'ERR_SYSTEMD'
  /** The kernel lacks a requested feature. */
  | 'ERR_KERNEL_FEATURE_MISSING'
  /** The process may not do this; the hint has the remedy. */
  | 'ERR_NO_PRIVILEGES'
  /** The program that provides the container's network is missing, or has failed. */
  | 'ERR_NETWORK_FAILED'
  /** Another container has published the port of the host, or a process of the host uses it. */
  | 'ERR_PORT_IN_USE'
  /** A step of the launch program failed for a reason without a code of its own. */
  | 'ERR_START_FAILED'
  /** The native addon could not be loaded. */
  | 'ERR_NATIVE_LOAD'
  /** The engine was closed. */
  | 'ERR_ENGINE_CLOSED'
  /** The container has no process any more, or not the expected one. */
  | 'ERR_CONTAINER_NOT_RUNNING'
  /** The container had to end before its program was started. */
  | 'ERR_ABORTED'
  /** An event could not be recorded. */
  | 'ERR_EVENT_LOG'
  /** A container's processes could not be paused or resumed. */
  | 'ERR_FREEZE_FAILED'
  /** A limit of a running container could not be changed; the limits that were changed before it are restored. */
  | 'ERR_UPDATE_FAILED'
  /** The host's ps could not be run, or its output could not be parsed. */
  | 'ERR_PS_FAILED'
  /** The archive of a layer is damaged, or has something in it that no layer may have. */
  | 'ERR_INVALID_LAYER'
  /** The archive of a layer is larger than a limit allows: its bytes, entries or paths. */
  | 'ERR_LAYER_TOO_LARGE'
  /** A layer could not be unpacked or removed, for a reason that is not in its archive. */
  | 'ERR_UNPACK_FAILED'
  /** A path of a container, or one to copy to or from it, does not exist. */
  | 'ERR_NO_SUCH_FILE'
  /** Files of a container could not be read or written; `syscall` and `errno` say why. */
  | 'ERR_FILES_FAILED'
  /** A tar stream is damaged, or has names that lead out of its directory. */
  | 'ERR_INVALID_ARCHIVE'
  /** A launch program could not be encoded or decoded. */
  | 'ERR_INVALID_PROGRAM';

/** The details of a failure, apart from its code and text. */
export interface ErrorDetails {
  /** The stage of the start: `config`, `image`, `host`, `container`, `exec`, `teardown`. */
  readonly stage?: string | undefined;
  /** The launch-program step that failed, such as `mount.fs`. */
  readonly step?: string | undefined;
  /** The step’s index in its phase of the program. */
  readonly stepIndex?: number | undefined;
  /** The system call that failed, such as `move_mount`. */
  readonly syscall?: string | undefined;
  /** Its error, by name: `EPERM`. */
  readonly errno?: string | undefined;
  /** The path, option or other object that the failure is about. */
  readonly path?: string | undefined;
  /** The remedy. */
  readonly hint?: string | undefined;
  /** The error that led to this one. */
  readonly cause?: unknown;
}

/**
 * Every failure that caisson reports: a program never has to parse its message.
 *
 * @example
 * import { CaissonError } from 'caisson';
 *
 * try {
 *   await engine.run('host', ['no-such-program']);
 * } catch (error) {
 *   if (!(error instanceof CaissonError)) throw error;
 *   console.log(error.code, error.exitCode); // ERR_COMMAND_NOT_FOUND 127
 * }
 */
export class CaissonError extends Error {
  /** The kind of failure. */
  readonly code: ErrorCode;
  /** The stage of the start: `config`, `image`, `host`, `container`, `exec`, `teardown`. */
  readonly stage?: string | undefined;
  /** The launch-program step that failed, such as `mount.fs`. */
  readonly step?: string | undefined;
  /** The step’s index in its phase of the program. */
  readonly stepIndex?: number | undefined;
  /** The system call that failed, such as `move_mount`. */
  readonly syscall?: string | undefined;
  /** Its error, by name: `EPERM`. */
  readonly errno?: string | undefined;
  /** The path, option or other object that the failure is about. */
  readonly path?: string | undefined;
  /** The remedy; the message ends with it, in parentheses. */
  readonly hint?: string | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(
      details.hint === undefined ? message : `${message} (${details.hint})`,
      details.cause === undefined ? undefined : { cause: details.cause },
    );
    this.name = 'CaissonError';
    this.code = code;
    this.stage = details.stage;
    this.step = details.step;
    this.stepIndex = details.stepIndex;
    this.syscall = details.syscall;
    this.errno = details.errno;
    this.path = details.path;
    this.hint = details.hint;
  }

  /** The exit code that Docker's command line would end with: 127, 126 or 125. */
  get exitCode(): 125 | 126 | 127 {
    if (this.code === 'ERR_COMMAND_NOT_FOUND') return 127;
    if (this.code === 'ERR_COMMAND_NOT_EXECUTABLE') return 126;
    return 125;
  }
}

/** The message of an error ends with its hint. */
export function messageWithoutHint({ message, hint }: CaissonError): string {
  const tail = hint === undefined ? '' : ` (${hint})`;
  return tail !== '' && message.endsWith(tail) ? message.slice(0, -tail.length) : message;
}
