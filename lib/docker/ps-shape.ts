/** One container with the fields of `docker ps --format`. */
import { shortId } from '../base/ids.js';
import { labelsOf } from '../engine/options/labels.js';
import { networkName } from '../engine/options/options.js';
import type { ContainerInfo, StoredHealth } from '../engine/store/stored.js';
import { mountsOf, volumeNames } from '../engine/store/volumes-of.js';
import { ellipsis } from './ellipsis.js';
import { quote } from './go-quote.js';
import { humanDuration, humanSize } from './go-units.js';
import { markStruct } from './go-values.js';
import { portsText } from './port-shape.js';

export const PS_TABLE =
  '{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}';
/** With `--size`. */
export const PS_TABLE_WITH_SIZE = `${PS_TABLE}\t{{.Size}}`;

/** The fields of a row, in the order in which they are printed as JSON; all are strings. */
export interface PsRow {
  readonly Command: string;
  readonly CreatedAt: string;
  readonly ID: string;
  readonly Image: string;
  readonly Labels: string;
  readonly LocalVolumes: string;
  readonly Mounts: string;
  readonly Names: string;
  readonly Networks: string;
  readonly Ports: string;
  readonly RunningFor: string;
  readonly Size: string;
  readonly State: string;
  readonly Status: string;
  /** A method in templates: `{{.Label "key"}}`. */
  readonly Label: (key: string) => string;
}

export const PS_HEADINGS: Readonly<Record<keyof PsRow, unknown>> = markStruct('Headings', {
  Command: 'COMMAND',
  CreatedAt: 'CREATED AT',
  ID: 'CONTAINER ID',
  Image: 'IMAGE',
  Labels: 'LABELS',
  LocalVolumes: 'LOCAL VOLUMES',
  Mounts: 'MOUNTS',
  Names: 'NAMES',
  Networks: 'NETWORKS',
  Ports: 'PORTS',
  RunningFor: 'CREATED',
  Size: 'SIZE',
  State: 'STATE',
  Status: 'STATUS',
  // As Docker: the heading of `com.example.some-name` is `some name`.
  Label: (key: string) => key.slice(key.lastIndexOf('.') + 1).replace(/[-_]/g, ' '),
});

export interface PsOptions {
  readonly noTrunc?: boolean;
  /** In place of the name that the container was created with. */
  readonly image?: string | undefined;
  /** Bytes of the writable layer, and of the whole root if known. */
  readonly size?: { readonly writable: number; readonly root?: number };
}

const COMMAND_WIDTH = 20;
const MOUNT_WIDTH = 15;

export function psShape(info: ContainerInfo, now: Date, options: PsOptions = {}): PsRow {
  const { config, status } = info;
  const { noTrunc = false, size } = options;
  const labels = labelsOf(config.options.labels);
  const shorten = (text: string, width: number): string => (noTrunc ? text : ellipsis(text, width));
  const row: PsRow = {
    Command: quote(shorten(commandText(config.command), COMMAND_WIDTH)),
    get CreatedAt() {
      return goTime(new Date(config.created));
    },
    ID: noTrunc ? config.id : shortId(config.id),
    Image: options.image ?? (config.image.kind === 'name' ? config.image.name : config.image.path),
    Labels: Object.entries(labels)
      .map(([key, value]) => `${key}=${value}`)
      .join(','),
    LocalVolumes: String(volumeNames(mountsOf(config)).length),
    Mounts: sources(info)
      .map((source) => shorten(source, MOUNT_WIDTH))
      .join(','),
    Names: config.name,
    Networks: networksText(info),
    Ports: portsText(info.ports ?? [], info.exposed),
    RunningFor: `${humanDuration(now.getTime() - Date.parse(config.created))} ago`,
    Size: size === undefined ? '' : sizeText(size),
    State: status,
    Status: statusText(info, now),
    Label: (key) => (Object.hasOwn(labels, key) ? (labels[key] ?? '') : ''),
  };
  return markStruct('Container', row);
}

function networksText({ config, networks }: ContainerInfo): string {
  if (networks === undefined) return networkName(config.options) ?? '';
  return networks.map(({ network }) => network).join(',');
}

/** As moby's daemon/container/view.go: arguments with a space in them between quotes. */
function commandText(command: readonly string[]): string {
  return command.map((arg, at) => (at > 0 && arg.includes(' ') ? `'${arg}'` : arg)).join(' ');
}

function sizeText({ writable, root = 0 }: NonNullable<PsOptions['size']>): string {
  const text = humanSize(writable);
  return root > 0 ? `${text} (virtual ${humanSize(root)})` : text;
}

/** The sources of bind mounts, and the names of volumes. */
function sources({ config }: ContainerInfo): readonly string[] {
  return mountsOf(config).flatMap(({ source, volume }) => volume?.name ?? source ?? []);
}

/** Go's time.String, without the names of time zones, which JavaScript does not have. */
function goTime(time: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const minutes = -time.getTimezoneOffset();
  const zone = `${minutes < 0 ? '-' : '+'}${two(Math.trunc(Math.abs(minutes) / 60))}${two(Math.abs(minutes) % 60)}`;
  return (
    `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())} ` +
    `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())} ` +
    `${zone} ${minutes === 0 ? 'UTC' : zone}`
  );
}

function healthText({ status }: StoredHealth): string {
  return status === 'starting' ? 'health: starting' : status;
}

/** The STATUS column (moby daemon/container/state.go). */
export function statusText({ state, status, health }: ContainerInfo, now: Date): string {
  const since = (time: string): string => humanDuration(now.getTime() - Date.parse(time));
  switch (status) {
    case 'running':
      return `Up ${since(state.startedAt)}${health === undefined ? '' : ` (${healthText(health)})`}`;
    case 'paused':
      return `Up ${since(state.startedAt)} (Paused)`;
    case 'restarting':
      return `Restarting (${state.exitCode}) ${since(state.finishedAt)} ago`;
    case 'removing':
      return 'Removal In Progress';
    case 'dead':
      return 'Dead';
    case 'created':
      return 'Created';
    case 'exited':
      return `Exited (${state.exitCode}) ${since(state.finishedAt)} ago`;
  }
}
