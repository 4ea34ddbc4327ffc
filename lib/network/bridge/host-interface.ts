/** Names of containers' interfaces on the host. */

/**
 * @param shortId 12 digits: with 2 letters and a digit, the name has as many characters as it may have (IFNAMSIZ)
 * @param at which of the container's networks
 */
export function hostInterface(shortId: string, at: number): string {
  return `ve${shortId}${at.toString(36)}`;
}

/** Of the container that has this interface; undefined: none has. */
export function shortIdOf(name: string): string | undefined {
  return /^ve([0-9a-f]{12})[0-9a-z]$/.exec(name)?.[1];
}
