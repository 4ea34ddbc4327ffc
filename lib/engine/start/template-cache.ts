/** The templates that an engine has compiled, found again by the options of a start. */
import type { RootPlan } from '../../program/launch-input.js';
import type { RunOptions } from '../options/options.js';
import type { Accounts } from '../options/user.js';
import type { CacheKey } from './cache-key.js';
import type { StartContext } from './context.js';
import type { StartTemplate } from './start-template.js';

interface Entry {
  readonly key: CacheKey;
  readonly template: StartTemplate;
}

/** Templates of one engine. */
const MAX_ENTRIES = 64;

/** Newest first. */
const caches = new WeakMap<StartContext, readonly Entry[]>();

export function findTemplate(
  context: StartContext,
  root: RootPlan,
  accounts: Accounts,
  options: RunOptions,
): StartTemplate | undefined {
  return caches
    .get(context)
    ?.find(
      ({ key, template }) =>
        template.resolved.root === root && template.accounts === accounts && key.matches(options),
    )?.template;
}

/** @param replaced is outdated */
export function storeTemplate(
  context: StartContext,
  key: CacheKey,
  template: StartTemplate,
  replaced: StartTemplate | undefined,
): void {
  const others = caches.get(context)?.filter((other) => other.template !== replaced) ?? [];
  caches.set(context, [{ key, template }, ...others.slice(0, MAX_ENTRIES - 1)]);
}

/** The same options, compiled anew. */
export function replaceTemplate(
  context: StartContext,
  outdated: StartTemplate,
  template: StartTemplate,
): void {
  const entry = caches.get(context)?.find((other) => other.template === outdated);
  if (entry !== undefined) storeTemplate(context, entry.key, template, outdated);
}
