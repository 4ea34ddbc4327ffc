/** The policy of a container that runs, as the kernel enforces it. */
import { shortId } from '../../base/ids.js';
import { liftFramePort, unliftFramePort } from '../firewall/frame-elements.js';
import { batch } from '../firewall/nft-messages.js';
import { type NetlinkOptions, requestNetlink } from '../netlink/request.js';
import { tellHostAddresses } from '../policy/host-addresses.js';
import { changeMessages, removePolicyMessages } from '../policy/policy-requests.js';
import type { NetworkPolicy } from '../policy/rules.js';
import { type Endpoint, framePort, sourcesOf } from './endpoint.js';

/**
 * All at once: no packet meets a part of it. Connections that were accepted go on, but for those to neighbours of a container that had
 * no policy, which no rule has seen.
 *
 * @param id long id
 * @param policy undefined: it has none any more
 * @param endpoints all that it has, or will have
 * @param gone those that it had beside them
 * @throws ERR_NETWORK_FAILED
 */
export async function restrict(
  id: string,
  policy: NetworkPolicy | undefined,
  endpoints: readonly Endpoint[],
  gone: readonly Endpoint[],
  options: NetlinkOptions,
): Promise<void> {
  const container = { shortId: shortId(id), sources: endpoints.flatMap(sourcesOf) };
  const ports = endpoints.map((endpoint) => framePort(endpoint, shortId(id)));
  if (policy !== undefined) await tellHostAddresses(options);
  const messages =
    policy === undefined
      ? [...ports.flatMap(unliftFramePort), ...removePolicyMessages(container)]
      : [
          ...ports.flatMap(liftFramePort),
          ...changeMessages(container, policy, gone.flatMap(sourcesOf)),
        ];
  await requestNetlink(batch(messages), options);
}
