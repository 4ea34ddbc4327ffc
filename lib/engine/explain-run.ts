/** `Engine.explain`: the launch program of a run, in words. */
import { newId } from '../base/ids.js';
import { cgroupLocation } from '../cgroup/parent.js';
import type { RootfsImage } from '../image/rootfs.js';
import { explain } from '../program/explain.js';
import type { RunOptions } from './options/options.js';
import { noteVolumes } from './spec/volume-notes.js';
import type { StartContext } from './start/context.js';
import { noteLayer } from './start/layer.js';
import { prepare } from './start/prepare.js';
import { prepareDetached } from './start/prepare-detached.js';

export async function explainRun(
  context: StartContext,
  image: string | RootfsImage,
  argv: readonly string[],
  options: RunOptions,
): Promise<string> {
  if (context.users !== undefined) {
    const location = { ...cgroupLocation(context.slice, options.cgroupParent), autoRemove: true };
    const start = await prepareDetached(context, newId(), image, argv, options, location, false);
    return explain(start.steps());
  }
  const prepared = await prepare(context, newId(), image, argv, options, false);
  prepared.release();
  const { config } = prepared;
  const notes = [...noteLayer(config.layerSize), ...(await noteVolumes(config))];
  return explain(prepared.steps(), notes);
}
