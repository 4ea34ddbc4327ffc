/** What was measured of traffic, as a table, and the limits for it. */
import { columns, p50, type Target } from './report.js';
import { BYTES, type Measure, POLICY, type TrafficResults } from './traffic.js';

const TITLES: Readonly<Record<Measure, string>> = {
  bytes: 'one connection, GB/s',
  answers: 'one byte there and back, µs',
  datagrams: 'a datagram, one way, µs',
  connections: 'a new connection, µs',
  names: 'a look-up and a new connection, µs',
};
const BASE = 'caisson';
/** Two medians of the same thing differ by as much from run to run. */
const NOISE = 1.05;

const other = ({ results }: TrafficResults): string | undefined =>
  results.find(({ name }) => name !== BASE)?.name;

export function trafficTable(traffic: readonly TrafficResults[]): string {
  const rows: string[][] = [['', 'caisson', 'compared with', '', 'time ÷ its']];
  for (const measure of Object.keys(TITLES) as Measure[]) {
    rows.push([TITLES[measure], '', '', '', '']);
    for (const each of traffic.filter((one) => one.measure === measure)) {
      const name = other(each);
      const [own, its] = [BASE, name].map((one) => p50(each.results, one ?? '', 'backToBack'));
      const text = (us: number | undefined) =>
        us === undefined || Number.isNaN(us)
          ? ''
          : measure === 'bytes'
            ? (BYTES / us / 1e3).toFixed(2)
            : us.toFixed(1);
      const ratio = (own ?? NaN) / (its ?? NaN);
      rows.push([
        `  ${each.path}`,
        ...[text(own), name ?? '', text(its)],
        Number.isNaN(ratio) ? '' : ratio.toFixed(3),
      ]);
    }
  }
  return rows.map(columns(rows).pad).join('\n');
}

/** Not worse than Docker; with a policy, at most 3 % of the throughput and 0.1 ms of a first connection. */
export function trafficTargets(traffic: readonly TrafficResults[]): Target[] {
  return traffic.flatMap((each) => {
    const name = other(each);
    // Of these, nothing was promised.
    if (name === undefined || each.path.startsWith('rootless')) return [];
    const [own, its] = [BASE, name].map((one) => p50(each.results, one, 'backToBack'));
    if (own === undefined || its === undefined) return [];
    const target = (text: string, value: number, limit: number): Target[] => [
      { text: `${each.path}, ${text}`, value, limit, met: value <= limit },
    ];
    if (name !== POLICY) return target(`${each.measure}, time ÷ ${name}`, own / its, NOISE);
    if (each.measure === 'bytes') return target('time with ÷ without', its / own, 1.03);
    if (each.measure === 'answers') return [];
    return target('ms of a first connection more', (its - own) / 1e3, 0.1);
  });
}
