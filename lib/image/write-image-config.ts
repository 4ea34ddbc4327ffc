/** The configuration of an image as JSON, with Docker's fields (OCI image spec, config.md). The reverse of image-config.ts. */
import type { ImageConfig, ImageHealthcheck } from './image-config.js';

/** One step of an image's making. */
export interface HistoryEntry {
  /** ISO 8601. */
  readonly created?: string | undefined;
  readonly createdBy?: string | undefined;
  readonly author?: string | undefined;
  readonly comment?: string | undefined;
  /** It has no layer of its own. */
  readonly emptyLayer: boolean;
}

const NANOSECONDS = 1_000_000;

/**
 * Fields that are empty are left out, as Docker does.
 *
 * @param history one entry without `emptyLayer` for each layer, the lowest one first.
 */
export function writeImageConfig(config: ImageConfig, history: readonly HistoryEntry[]): Buffer {
  const { healthcheck } = config;
  return Buffer.from(
    JSON.stringify({
      architecture: config.architecture,
      ...text({ variant: config.variant }),
      os: config.os,
      ...text({ created: config.created, author: config.author }),
      config: {
        ...text({ User: config.user, WorkingDir: config.workdir, StopSignal: config.stopSignal }),
        ...list({
          Env: config.env,
          Entrypoint: config.entrypoint,
          Cmd: config.cmd,
          Shell: config.shell,
          OnBuild: config.onBuild,
        }),
        ...set({ Volumes: config.volumes, ExposedPorts: config.exposedPorts }),
        ...(healthcheck === undefined ? {} : { Healthcheck: healthcheckFields(healthcheck) }),
        ...(Object.keys(config.labels).length === 0 ? {} : { Labels: config.labels }),
      },
      rootfs: { type: 'layers', diff_ids: config.diffIds },
      history: history.map(
        ({ created = '', createdBy = '', author = '', comment = '', emptyLayer }) => ({
          ...text({ created, created_by: createdBy, author, comment }),
          ...(emptyLayer ? { empty_layer: true } : {}),
        }),
      ),
    }),
  );
}

function healthcheckFields(check: ImageHealthcheck): Readonly<Record<string, unknown>> {
  const { test, retries } = check;
  const command =
    test === undefined
      ? undefined
      : test === 'none'
        ? ['NONE']
        : 'shell' in test
          ? ['CMD-SHELL', test.shell]
          : ['CMD', ...test.command];
  return {
    ...(command === undefined ? {} : { Test: command }),
    ...time({
      Interval: check.interval,
      Timeout: check.timeout,
      StartPeriod: check.startPeriod,
      StartInterval: check.startInterval,
    }),
    ...(retries === 0 ? {} : { Retries: retries }),
  };
}

type Fields<Value> = Readonly<Record<string, Value>>;

function kept<Value>(
  fields: Fields<Value>,
  keep: (value: Value) => boolean,
): readonly (readonly [name: string, value: Value])[] {
  return Object.entries(fields).filter(([, value]) => keep(value));
}

function text(fields: Fields<string>): Fields<string> {
  return Object.fromEntries(kept(fields, (value) => value !== ''));
}

function list(fields: Fields<readonly string[]>): Fields<readonly string[]> {
  return Object.fromEntries(kept(fields, (value) => value.length > 0));
}

/** Go's sets are objects. */
function set(fields: Fields<readonly string[]>): Fields<Fields<object>> {
  return Object.fromEntries(
    kept(fields, (value) => value.length > 0).map(([name, values]) => [
      name,
      Object.fromEntries(values.map((value) => [value, {}])),
    ]),
  );
}

/** Milliseconds become nanoseconds. */
function time(fields: Fields<number>): Fields<number> {
  return Object.fromEntries(
    kept(fields, (value) => value !== 0).map(([name, value]) => [name, value * NANOSECONDS]),
  );
}
