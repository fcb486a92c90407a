// Conditions on what the membership version before says, at 2026-01-15T10:30:00Z, and for whom they hold.
import type { Memberships } from '../../compiler/pql/interpret.ts'
import type { TestPerson } from '../support/pql.ts'

export const segments: ReadonlySet<string> = new Set(['vip', 'new-buyers'])

const entry = (status: 'realized' | 'exited', since: string) => ({ status, since: Date.parse(since) })
const person = (id: string, memberships?: Memberships): TestPerson => ({
  id,
  attributes: { customerId: id, loyalty: { joinedAt: '2026-01-01T00:00:00Z' } },
  events: [{ timestamp: '2026-01-10T00:00:00Z', eventType: 'view' }],
  ...(memberships && { memberships }),
})

export const members: readonly TestPerson[] = [
  person('long', new Map([['vip', entry('realized', '2026-01-01T00:00:00Z')]])),
  person('never'),
  person('other', new Map([['new-buyers', entry('realized', '2026-01-14T00:00:00Z')]])),
  person(
    'out',
    new Map([
      ['vip', entry('exited', '2026-01-05T00:00:00Z')],
      ['new-buyers', entry('realized', '2026-01-01T00:00:00Z')],
    ]),
  ),
  person('young', new Map([['vip', entry('realized', '2026-01-12T00:00:00Z')]])),
]

const vip = 'segmentMembership.get("ups").get("vip")'

export const qualifications: readonly (readonly [pql: string, ids: readonly string[]])[] = [
  [`${vip}.lastQualificationTime occurs > 7 days before now`, ['long', 'out']],
  [`${vip}.status = "realized" and ${vip}.lastQualificationTime occurs > 7 days before now`, ['long']],
  [`${vip}.lastQualificationTime occurs <= 7 days before now`, ['young']],
  [`${vip}.status = "exited"`, ['out']],
  [`${vip}.status != "realized"`, ['out']],
  [`not (${vip}.status = "realized")`, ['never', 'other', 'out']],
  [`${vip}.status in ["realized", "exited"]`, ['long', 'out', 'young']],
  [`${vip}.status.isNull()`, ['never', 'other']],
  [`${vip}.isNull()`, ['never', 'other']],
  [`${vip}.isNotNull()`, ['long', 'out', 'young']],
  [vip, ['long', 'out', 'young']],
  ['segmentMembership.ups.vip.status = "realized"', ['long', 'young']],
  ['segmentMembership["ups"]["vip"].status = "realized"', ['long', 'young']],
  ['$1.loyalty.joinedAt = segmentMembership.ups.vip.lastQualificationTime', ['long']],
  [`exists E from xEvent where E.timestamp occurs after ${vip}.lastQualificationTime`, ['long', 'out']],
  [`xEvent[timestamp occurs before ${vip}.lastQualificationTime].count() = 1`, ['young']],
  [`let Q = ${vip} in (Q.status = "realized" and Q.lastQualificationTime.getDayOfMonth() = 12)`, ['young']],
  [
    'segmentMembership.get("ups").get("new-buyers").lastQualificationTime occurs before segmentMembership.get("ups").get("vip").lastQualificationTime',
    ['out'],
  ],
]
