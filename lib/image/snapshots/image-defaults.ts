/** What an image says about its containers, where their options say nothing. */
import type { ImageConfig, ImageHealthcheck } from '../image-config.js';

/** What an image says of its containers, where their options say nothing: OCI image spec, config.md. */
export interface ImageDefaults {
  /** `NAME=value`. */
  readonly env: readonly string[];
  /** The command, where a container has none of its own. */
  readonly cmd: readonly string[];
  /** What comes before the command. */
  readonly entrypoint: readonly string[];
  /** `user[:group]`; empty is root. */
  readonly user: string;
  /** Absolute; empty: `/`. */
  readonly workdir: string;
  /** Paths of anonymous volumes: absolute, normalized, sorted. */
  readonly volumes?: readonly string[] | undefined;
  /** `80/tcp`. */
  readonly exposedPorts?: readonly string[] | undefined;
  /** A name or a number. */
  readonly stopSignal?: string | undefined;
  /** Undefined: the image says nothing of it. */
  readonly healthcheck?: ImageHealthcheck | undefined;
  /** By key. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** Runs the health check of an image that has it as a text; undefined: `/bin/sh -c`. */
  readonly shell?: readonly string[] | undefined;
}

export function defaultsOf(config: ImageConfig): ImageDefaults {
  const { env, cmd, entrypoint, user, workdir } = config;
  const { volumes, exposedPorts, stopSignal, healthcheck, labels, shell } = config;
  return {
    env,
    cmd,
    entrypoint,
    user,
    workdir,
    ...(volumes.length === 0 ? {} : { volumes }),
    ...(exposedPorts.length === 0 ? {} : { exposedPorts }),
    ...(stopSignal === '' ? {} : { stopSignal }),
    ...(healthcheck === undefined ? {} : { healthcheck }),
    ...(Object.keys(labels).length === 0 ? {} : { labels }),
    ...(shell.length === 0 ? {} : { shell }),
  };
}
