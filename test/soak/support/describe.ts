/** Of a container with which something is wrong: all that can be seen of it. */
import type { Store } from '../../../lib/engine/store/store.js';
import { supervisors, processesIn, textOf } from './ground.js';

export function describeContainer(store: Store, id: string): string {
  const process = (pid: number): string => {
    const of = (file: string): string => textOf(`/proc/${pid}/${file}`).trim();
    return `${pid} ${of('comm')} ${/^State:\s*(.*)$/m.exec(of('status'))?.[1]} in ${of('wchan')} ${of('syscall')}`;
  };
  return [
    `container ${id}`,
    `config ${JSON.stringify(store.config(id))}`,
    `state ${JSON.stringify(store.state(id).state)}`,
    ...(supervisors().get(id) ?? []).map((pid) => `supervisor ${process(pid)}`),
    ...processesIn(id).map((pid) => `process ${process(pid)}`),
  ].join('\n    ');
}
