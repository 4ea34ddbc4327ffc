/** Images as `docker image inspect`, `docker images` and `docker history` print them (Docker's API, v1.50). */
import type { ImageHistoryEntry, ImageInfo } from '../engine/images/image-info.js';
import type { ImageUsage } from '../engine/images/image-usage.js';
import type { ImageConfig, ImageHealthcheck } from '../image/image-config.js';
import { shortId } from '../base/ids.js';
import { addFields } from './api-fields.js';
import { ellipsis } from './ellipsis.js';
import { humanDuration, humanSize } from './go-units.js';
import { markStringMap, markStruct } from './go-values.js';

const CREATED = '{{if .CreatedSince}}{{.CreatedSince}}{{else}}N/A{{end}}';
export const IMAGE_TABLE = `{{.Repository}}\t{{.Tag}}\t{{.ID}}\t${CREATED}\t{{.Size}}`;
/** With `--digests`. */
export const IMAGE_TABLE_WITH_DIGESTS = `{{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t${CREATED}\t{{.Size}}`;
export const HISTORY_TABLE = `{{.ID}}\t${CREATED}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}`;

/** The fields of a row, in the order in which they are printed as JSON; all are strings. */
export interface ImageRow {
  readonly Containers: string;
  readonly CreatedAt: string;
  readonly CreatedSince: string;
  readonly Digest: string;
  readonly ID: string;
  readonly Repository: string;
  readonly SharedSize: string;
  readonly Size: string;
  readonly Tag: string;
  readonly UniqueSize: string;
  readonly VirtualSize: string;
}

export const IMAGE_HEADINGS: Readonly<Record<keyof ImageRow, string>> = markStruct('Headings', {
  Containers: 'CONTAINERS',
  CreatedAt: 'CREATED AT',
  CreatedSince: 'CREATED',
  Digest: 'DIGEST',
  ID: 'IMAGE ID',
  Repository: 'REPOSITORY',
  SharedSize: 'SHARED SIZE',
  Size: 'SIZE',
  Tag: 'TAG',
  UniqueSize: 'UNIQUE SIZE',
  VirtualSize: 'SIZE',
});

const NONE = '<none>';

export interface ImageRowOptions {
  readonly noTrunc?: boolean | undefined;
  /** A row for each digest, too. */
  readonly digests?: boolean | undefined;
}

/** One for each name of the image (docker/cli formatter/image.go). */
export function imageRows(image: ImageInfo, now: Date, options: ImageRowOptions = {}): ImageRow[] {
  const row = (Repository: string, Tag: string, Digest: string): ImageRow =>
    imageRow(image, now, options, { Repository, Tag, Digest });
  const tags = grouped(image.names, ':');
  const digests = grouped(image.digests, '@');
  const rows = [...tags].flatMap(([repository, names]) => {
    const own = options.digests === true ? (digests.get(repository) ?? []) : [];
    return names.flatMap((tag) =>
      (own.length === 0 ? [NONE] : own).map((digest) => row(repository, tag, digest)),
    );
  });
  for (const [repository, own] of digests) {
    if (tags.has(repository)) continue;
    for (const digest of options.digests === true ? own : [NONE])
      rows.push(row(repository, NONE, digest));
  }
  return rows.length === 0 ? [row(NONE, NONE, NONE)] : rows;
}

const UNKNOWN = { Containers: 'N/A', SharedSize: 'N/A', UniqueSize: 'N/A' };

function imageRow(
  image: ImageInfo,
  now: Date,
  { noTrunc = false }: ImageRowOptions,
  more: Partial<ImageRow> & Pick<ImageRow, 'Repository' | 'Tag' | 'Digest'>,
): ImageRow {
  return markStruct('Image', {
    ...UNKNOWN,
    CreatedAt: goTime(image.created),
    CreatedSince: since(image.created, now),
    ID: noTrunc ? image.id : shortImageId(image.id),
    Size: humanSize(image.size),
    VirtualSize: humanSize(image.size),
    ...more,
  });
}

/** For `docker system df -v`: one row for each image, with its first name only. */
export function imageUsageRow(
  { image, size, shared, containers }: ImageUsage,
  now: Date,
  noTrunc: boolean,
): ImageRow {
  const [name] = image.names;
  const colon = name?.lastIndexOf(':');
  return imageRow(
    image,
    now,
    { noTrunc },
    {
      Repository: name?.slice(0, colon) ?? NONE,
      Tag: name?.slice((colon ?? 0) + 1) ?? NONE,
      Digest: '',
      Containers: String(containers),
      SharedSize: humanSize(shared, 4),
      Size: humanSize(size),
      UniqueSize: humanSize(size - shared, 4),
      VirtualSize: humanSize(size),
    },
  );
}

export function shortImageId(id: string): string {
  return shortId(id.replace(/^sha256:/, ''));
}

/** By repository: what follows the last separator. */
function grouped(names: readonly string[], separator: string): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const name of names) {
    const at = separator === '@' ? name.indexOf('@') : name.lastIndexOf(':');
    const repository = name.slice(0, at);
    groups.set(repository, [...(groups.get(repository) ?? []), name.slice(at + 1)]);
  }
  return groups;
}

function since(created: string, now: Date): string {
  return created === '' ? '' : `${humanDuration(now.getTime() - Date.parse(created))} ago`;
}

/** Go's time.String, in UTC. */
function goTime(created: string): string {
  if (created === '') return '';
  return `${new Date(created).toISOString().slice(0, 19).replace('T', ' ')} +0000 UTC`;
}

export interface HistoryRow {
  readonly Comment: string;
  readonly CreatedAt: string;
  readonly CreatedBy: string;
  readonly CreatedSince: string;
  readonly ID: string;
  readonly Size: string;
}

export function historyHeadings(human: boolean): Readonly<Record<keyof HistoryRow, string>> {
  return markStruct('Headings', {
    Comment: 'COMMENT',
    CreatedAt: 'CREATED AT',
    CreatedBy: 'CREATED BY',
    CreatedSince: human ? 'CREATED' : 'CREATED AT',
    ID: 'IMAGE',
    Size: 'SIZE',
  });
}

const CREATED_BY_WIDTH = 45;

export function historyRow(
  entry: ImageHistoryEntry,
  now: Date,
  { noTrunc = false, human = true }: { readonly noTrunc?: boolean; readonly human?: boolean } = {},
): HistoryRow {
  const by = entry.createdBy.replaceAll('\t', ' ');
  const at = entry.created === '' ? '' : `${new Date(entry.created).toISOString().slice(0, 19)}Z`;
  return markStruct('History', {
    Comment: entry.comment,
    CreatedAt: at,
    CreatedBy: noTrunc ? by : ellipsis(by, CREATED_BY_WIDTH),
    CreatedSince: human ? since(entry.created, now) : at,
    ID: noTrunc || entry.id === '<missing>' ? entry.id : shortImageId(entry.id),
    Size: human ? humanSize(entry.size) : String(entry.size),
  });
}

/** Docker's zero time. */
const NEVER = '0001-01-01T00:00:00Z';

export function imageShape(image: ImageInfo): object {
  const { config } = image;
  const shape = {
    Id: image.id,
    RepoTags: image.names,
    RepoDigests: image.digests,
    Parent: '',
    Comment: config.comment,
    ...(image.created === '' ? {} : { Created: image.created }),
    DockerVersion: '',
    Author: config.author,
    Config: markStruct('Config', addFields('ImageConfig', imageConfigShape(config))),
    Architecture: config.architecture,
    ...(config.variant === '' ? {} : { Variant: config.variant }),
    Os: config.os,
    Size: image.size,
    RootFS: markStruct('RootFS', { Type: 'layers', Layers: config.diffIds }),
    Metadata: markStruct('Metadata', { LastTagTime: image.tagged === '' ? NEVER : image.tagged }),
    Descriptor: markStruct('Descriptor', { digest: image.digest }),
  };
  return markStruct('Image', addFields('Image', shape));
}

/** Empty fields are left out. */
function imageConfigShape(config: ImageConfig): object {
  const keys = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, {}]));
  const filled = <T extends string | readonly string[]>(name: string, value: T) =>
    value.length === 0 ? {} : { [name]: value };
  return {
    ...filled('User', config.user),
    ...(config.exposedPorts.length === 0 ? {} : { ExposedPorts: keys(config.exposedPorts) }),
    ...filled('Env', config.env),
    ...filled('Entrypoint', config.entrypoint),
    ...filled('Cmd', config.cmd),
    ...(config.healthcheck === undefined ? {} : { Healthcheck: healthShape(config.healthcheck) }),
    ...(config.volumes.length === 0 ? {} : { Volumes: keys(config.volumes) }),
    ...filled('WorkingDir', config.workdir),
    ...filled('OnBuild', config.onBuild),
    ...(Object.keys(config.labels).length === 0
      ? {}
      : { Labels: markStringMap({ ...config.labels }) }),
    ...filled('StopSignal', config.stopSignal),
    ...filled('Shell', config.shell),
  };
}

/** Times are nanoseconds. */
function healthShape({ test, ...times }: ImageHealthcheck): object {
  const nanoseconds = (name: string, milliseconds: number) =>
    milliseconds === 0 ? {} : { [name]: milliseconds * 1_000_000 };
  const words =
    test === 'none'
      ? ['NONE']
      : test === undefined
        ? undefined
        : 'shell' in test
          ? ['CMD-SHELL', test.shell]
          : ['CMD', ...test.command];
  return markStruct(
    'Healthcheck',
    addFields('Healthcheck', {
      ...(words === undefined ? {} : { Test: words }),
      ...nanoseconds('Interval', times.interval),
      ...nanoseconds('Timeout', times.timeout),
      ...nanoseconds('StartPeriod', times.startPeriod),
      ...nanoseconds('StartInterval', times.startInterval),
      ...(times.retries === 0 ? {} : { Retries: times.retries }),
    }),
  );
}
