/** A volume as its file has it: `volume.json`. */
import { isRecord } from '../base/check.js';
import { parseJson } from '../base/storage.js';

export interface StoredVolume {
  readonly version: 1;
  readonly name: string;
  readonly driver: 'local';
  /** ISO 8601, UTC. */
  readonly created: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Of the driver: `type`, `device`, `o`. */
  readonly options: Readonly<Record<string, string>>;
}

/** Docker's label of volumes that nobody has named. */
export const ANONYMOUS_LABEL = 'com.docker.volume.anonymous';

/** Whether nobody has given it a name: then it goes with its container, if that is removed with its volumes. */
export function isAnonymous({ labels }: Pick<StoredVolume, 'labels'>): boolean {
  return Object.hasOwn(labels, ANONYMOUS_LABEL);
}

/** Undefined for what is not such a file. */
export function parseVolume(text: string): StoredVolume | undefined {
  const value = parseJson(text);
  if (!isRecord(value)) return undefined;
  const { version, name, driver, created, labels, options } = value as Record<string, unknown>;
  const whole =
    version === 1 &&
    typeof name === 'string' &&
    driver === 'local' &&
    typeof created === 'string' &&
    isTexts(labels) &&
    isTexts(options);
  return whole ? { version: 1, name, driver, created, labels, options } : undefined;
}

function isTexts(value: unknown): value is Readonly<Record<string, string>> {
  return isRecord(value) && Object.values(value).every((text) => typeof text === 'string');
}
