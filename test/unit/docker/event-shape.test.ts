import { expect } from 'chai';
import { eventLine, eventShape } from '../../../lib/docker/event-shape.js';
import { parseTemplate } from '../../../lib/cli/template/go-template.js';
import type { ContainerEvent, NetworkEvent } from '../../../lib/engine/store/stored.js';

const EVENT: ContainerEvent = {
  type: 'container',
  action: 'start',
  id: 'a1'.repeat(32),
  attributes: { name: 'x', image: 'alpine', b: '2', a: '1' },
  timeNano: '1767225600123456789',
};

function inZone(zone: string, what: () => string): string {
  const before = process.env['TZ'];
  process.env['TZ'] = zone;
  try {
    return what();
  } finally {
    if (before === undefined) delete process.env['TZ'];
    else process.env['TZ'] = before;
  }
}

describe('events', () => {
  it('Events are Docker’s lines, in the caller’s time zone', () => {
    const rest = `container start ${'a1'.repeat(32)} (a=1, b=2, image=alpine, name=x)`;
    expect(inZone('UTC', () => eventLine(EVENT))).to.equal(
      `2026-01-01T00:00:00.123456789Z ${rest}`,
    );
    expect(inZone('Asia/Kolkata', () => eventLine(EVENT))).to.equal(
      `2026-01-01T05:30:00.123456789+05:30 ${rest}`,
    );
    expect(inZone('America/New_York', () => eventLine(EVENT))).to.equal(
      `2025-12-31T19:00:00.123456789-05:00 ${rest}`,
    );
    expect(inZone('UTC', () => eventLine({ ...EVENT, attributes: {} }))).to.match(/ (?:a1){32}$/);
  });

  it('Events are JSON, to the last nanosecond', () => {
    const text = parseTemplate('{{json .}}').execute(eventShape(EVENT));
    expect(text).to.match(/,"time":1767225600,"timeNano":1767225600123456789}$/);
    const { timeNano: _, ...rest } = JSON.parse(text) as Record<string, unknown>;
    expect(rest).to.deep.equal({
      status: 'start',
      id: EVENT.id,
      from: 'alpine',
      Type: 'container',
      Action: 'start',
      Actor: { ID: EVENT.id, Attributes: EVENT.attributes },
      scope: 'local',
      time: 1767225600,
    });
  });

  it('Events of networks have no old fields, and templates find them empty', () => {
    const attributes = { name: 'web', type: 'bridge' };
    const network: NetworkEvent = { type: 'network', action: 'create', id: 'a1', attributes, timeNano: '1767225600123456789' }; // prettier-ignore
    const text = parseTemplate('{{json .}}').execute(eventShape(network));
    expect(text).to.equal('{"Type":"network","Action":"create","Actor":{"ID":"a1","Attributes":{"name":"web","type":"bridge"}},"scope":"local","time":1767225600,"timeNano":1767225600123456789}'); // prettier-ignore
    expect(parseTemplate('{{.ID}}|{{.Status}}|{{.From}}').execute(eventShape(network))).to.equal('||'); // prettier-ignore
    expect(inZone('UTC', () => eventLine(network))).to.equal('2026-01-01T00:00:00.123456789Z network create a1 (name=web, type=bridge)'); // prettier-ignore
  });

  it('Events fit templates', () => {
    const render = (text: string): string => parseTemplate(text).execute(eventShape(EVENT));
    expect(
      render('{{.Type}}|{{.Action}}|{{.Status}}|{{.From}}|{{.Actor.Attributes.name}}|{{.Scope}}'),
    ).to.equal('container|start|start|alpine|x|local');
    expect(render('{{.ID}}{{.Actor.ID}}')).to.equal('a1'.repeat(64));
    expect(render('{{.Time}} {{.TimeNano}}')).to.equal('1767225600 1767225600123456789');
    expect(render('{{index .Actor.Attributes "nope"}}')).to.equal('');
    expect(() => render('{{.Nope}}')).to.throw(/can't evaluate field Nope in type Event/);
  });
});
