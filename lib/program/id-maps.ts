/** Id maps of the OCI specification, as steps take them. */
import type { LinuxIdMapping } from '../oci/runtime-spec.js';

export function idMap(mappings: readonly LinuxIdMapping[] = []): string {
  return mappings.map((m) => `${m.containerID} ${m.hostID} ${m.size}\n`).join('');
}

/** The host's id behind a container's. */
export function hostId(mappings: readonly LinuxIdMapping[] | undefined, id: number): number {
  if (mappings === undefined || mappings.length === 0) return id;
  for (const { containerID, hostID, size } of mappings) {
    if (id >= containerID && id < containerID + size) return hostID + (id - containerID);
  }
  return mappings[0]?.hostID ?? 0;
}
