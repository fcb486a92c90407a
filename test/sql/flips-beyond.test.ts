// What is beyond PQL and reads the clock: who may change by time alone is found, and nobody else is looked at where that can be told.
import { expect, test } from 'vitest'
import { compileOne, flippedOnDuckdb, onDuckdb, type TestPerson, typesOf } from '../support/pql.ts'

const types = typesOf({
  profile: { type: 'object', properties: { born: { type: 'string', format: 'date' } } },
  event: { type: 'object', properties: { timestamp: { type: 'string', format: 'date-time' } } },
})
const born = ['1988-02-29', '1990-02-28', '2000-03-01', '1999-12-31', '2008-01-01', null]
const people: readonly TestPerson[] = born.map((day, index) => ({
  id: `P${index}`,
  attributes: { born: day },
  events: [{ timestamp: '2026-02-26T12:00:00Z' }],
}))
const instants = ['2026-02-27T23:59:00Z', '2026-02-28T00:01:00Z', '2026-03-01T00:01:00Z', '2026-12-31T00:01:00Z']

test.each([
  'born.age() >= 18',
  'born.age() = 38',
  'born.ignoreYear() occurs today',
  'born.ignoreYear("03-01") occurs today',
  'born.ignoreYear() occurs <= 7 days after today',
  'daysBetween(born, now) % 7 = 0',
  'currentDayOfWeek() = 7 and born.isNotNull()',
  'now.inTimeZone("Asia/Tokyo").getHour() < 12 and born.isNotNull()',
  'exists E from xEvent where E.timestamp occurs <= 1.5 days before now',
  'xEvent.max(timestamp).getHour() = currentHour()',
])('%s', async (pql) => {
  const condition = compileOne(pql, types)
  for (const [index, now] of instants.entries()) {
    const since = instants[index - 1]
    if (since === undefined) continue
    const before = await membersAt(since)
    const after = await membersAt(now)
    const turned = people.filter(({ id }) => before.includes(id) !== after.includes(id)).map(({ id }) => id)
    const found = await flippedOnDuckdb([condition], people, types, since, now)
    expect(turned.filter((id) => !found.has(id))).toEqual([])
  }
  async function membersAt(at: string): Promise<readonly string[]> {
    return (await onDuckdb([condition], people, types, at))[0]!
  }
})
