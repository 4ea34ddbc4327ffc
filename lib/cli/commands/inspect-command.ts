/** `caisson inspect` and `caisson container inspect`. */
import { CaissonError, type ErrorCode } from '../../base/errors.js';
import { dataOf, volumesIn } from '../../volumes/volume-store.js';
import { accountsSwap } from '../../cgroup/limits/swap.js';
import { networkShape } from '../../docker/network-shape.js';
import { type InspectExtra, inspectShape } from '../../docker/inspect-shape.js';
import { volumeShape } from '../../docker/volume-shape.js';
import { networksIn } from '../../engine/networks-in.js';
import { volumesIn as volumesOf } from '../../engine/volumes-in.js';
import { networkName, networkText, type RunOptions } from '../../engine/options/options.js';
import { claimContext } from '../../engine/networks/container-lookup.js';
import { selinuxLabelsOf } from '../../engine/options/security-options.js';
import { frozenSize, layerSize } from '../../engine/start/layer-size.js';
import { frozenLayersOf } from '../../engine/store/frozen-layers.js';
import { joinedHostname } from '../../engine/store/joined-names.js';
import type { ContainerInfo, StoredConfig } from '../../engine/store/stored.js';
import { type CommandLine, parseCommandLine } from '../args/command-line.js';
import { at, type CommandContext, type EngineLocation } from '../command-context.js';
import { CONTAINER_INSPECT, INSPECT } from '../flags/inspect-flags.js';
import { print } from '../report.js';
import { inspectFormat, printInspected } from './inspected.js';

const TYPES = ['container', 'image', 'network', 'volume'] as const;
type ObjectType = (typeof TYPES)[number];

export async function inspect(args: readonly string[], location: EngineLocation): Promise<number> {
  const line = parseCommandLine(INSPECT, args);
  const type = line.value('type');
  if (type === undefined || type === '') return show(line, location, TYPES);
  const known = TYPES.find((each) => each === type);
  if (known !== undefined) return show(line, location, [known]);
  print(2, `caisson: "${type}" is not a known type of object: ${TYPES.join(', ')}\n`);
  return 1;
}

export async function containerInspect(
  args: readonly string[],
  location: EngineLocation,
): Promise<number> {
  return show(parseCommandLine(CONTAINER_INSPECT, args), location, ['container']);
}

/** @param types what a name is looked for among, in this order */
async function show(
  line: CommandLine,
  location: EngineLocation,
  types: readonly ObjectType[],
): Promise<number> {
  const format = inspectFormat(line);
  if (format === undefined) return 64;
  return at(location, (context) =>
    printInspected(line.args, format, (name) => shapeOf(context, name, types, line.has('size'))),
  );
}

const NOT_THERE: ReadonlySet<ErrorCode> = new Set([
  'ERR_NO_SUCH_CONTAINER',
  'ERR_NO_SUCH_IMAGE',
  // What is no name of an image may be one of another object.
  'ERR_INVALID_REFERENCE',
  'ERR_NO_SUCH_NETWORK',
  'ERR_NO_SUCH_VOLUME',
]);

/** Of the first object with that name. The error is that of the first type. */
async function shapeOf(
  context: CommandContext,
  name: string,
  types: readonly ObjectType[],
  withSize: boolean,
): Promise<object> {
  let first: unknown;
  for (const type of types) {
    try {
      switch (type) {
        case 'container':
          return await containerShape(context, name, withSize);
        case 'image':
          return await imageShapeOf(context, name);
        case 'network':
          return networkShape(await networksIn(context).inspect(name));
        case 'volume':
          return volumeShape(await volumesOf(context.store).inspect(name));
      }
    } catch (error) {
      if (!(error instanceof CaissonError && NOT_THERE.has(error.code))) throw error;
      first ??= error;
    }
  }
  throw first;
}

async function imageShapeOf({ store }: CommandContext, name: string): Promise<object> {
  const { imagesIn } = await import('../../engine/images-in.js');
  const { imageShape } = await import('../../docker/image-shape.js');
  return imageShape(await imagesIn(store).inspect(name));
}

async function containerShape(
  context: CommandContext,
  name: string,
  withSize: boolean,
): Promise<object> {
  const info = await (await context.get(name)).inspect();
  const { config } = info;
  const directory = context.store.directory(config.id);
  return inspectShape(info, {
    ...(config.log.driver === 'none' ? {} : { logPath: `${directory}/json.log` }),
    // A layer with a size has its directories in a separate file system.
    ...(config.options.storageOpt === undefined
      ? { upperDir: `${directory}/upper`, workDir: `${directory}/work` }
      : {}),
    lowerDirs: frozenLayersOf(context.store, config)?.layers ?? [],
    volumeDirectory: (name) => dataOf(volumesIn(context.store.paths.dataRoot), name),
    selinux: selinuxLabelsOf(config.id, config.options.securityOpt),
    ...imageExtra(config.image),
    swapLimit: await limitsSwap(context, info),
    networkId: predefinedId(context, config.options),
    joinedName: await joinedHostname(context.store, networkText(config.options)),
    ...(withSize ? await sizesOf(context, config) : {}),
  });
}

async function sizesOf(
  { store }: CommandContext,
  config: StoredConfig,
): Promise<Pick<InspectExtra, 'sizeRw' | 'sizeRootFs'>> {
  const { imageSize } = await import('../../engine/images/root-size.js');
  const [sizeRw, frozen, size] = await Promise.all([
    layerSize(store.directory(config.id)),
    frozenSize(store, config),
    imageSize(store.paths.dataRoot, config.image),
  ]);
  return size === undefined ? { sizeRw } : { sizeRw, sizeRootFs: sizeRw + frozen + size };
}

/** What the container has from its image. */
function imageExtra(image: StoredConfig['image']): Pick<InspectExtra, 'imageId' | 'image'> {
  if (image.kind !== 'name' || image.id === undefined) return {};
  return { imageId: image.id, image: image.defaults ?? {} };
}

function predefinedId(context: CommandContext, options: RunOptions): string | undefined {
  const name = networkName(options);
  if (name !== 'host' && name !== 'none') return undefined;
  return claimContext(context.store).networks.find(name).id;
}

/** Whether a memory limit alone also limits swap; the machine is asked only if that matters. */
async function limitsSwap(context: CommandContext, { config }: ContainerInfo): Promise<boolean> {
  const { memory, memorySwap } = config.options;
  if (memory === undefined || memorySwap !== undefined) return false;
  return accountsSwap(await context.cgroups());
}
