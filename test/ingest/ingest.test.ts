import { describe, expect, test } from 'vitest'
import { ingest } from '../../jobs/ingest/ingest.ts'
import { customers, eventsIn, inputOf, openWorkspace, orders, planOf, profilesIn } from './workspace.ts'

describe('a first ingest', () => {
  test('makes profiles and events of a CSV and an NDJSON file', async () => {
    await using workspace = await openWorkspace()
    workspace.land(
      'customers/a.csv',
      'id,first_name,birth_date,email,points,updated_at\np1,Ann,1990-05-05,ann@x.test,10,2026-01-01T00:00:00Z\np2,"Bob, Jr.",,,,2026-01-01\n',
    )
    workspace.land(
      'orders/o.ndjson',
      '{"customer":"p1","at":"2026-01-02T10:00:00+02:00","type":"purchase","order":{"total":5.5},"items":[{"SKU":"a","quantity":2}]}\n{"customer":"p9","at":1767225600123,"type":"view"}\n',
    )
    const report = await ingest({
      plan: planOf([customers, orders]),
      input: inputOf('2026-01-03T00:00:00Z'),
      ports: workspace.ports,
    })
    expect(report).toMatchObject({
      outcome: 'Succeeded',
      totals: { rowsRead: 4, accepted: 4, badRows: 0, profiles: 3, events: 2, buckets: 1 },
    })
    expect(await profilesIn(workspace)).toEqual([
      {
        $profile: 'p1',
        customerId: 'p1',
        'person.name.firstName': 'Ann',
        'person.birthDate': '1990-05-05',
        'personalEmail.address': 'ann@x.test',
        'loyalty.points': '10',
      },
      { $profile: 'p2', customerId: 'p2', 'person.name.firstName': 'Bob, Jr.' },
      { $profile: 'p9', customerId: 'p9' },
    ])
    expect(await eventsIn(workspace)).toEqual([
      {
        $profile: 'p1',
        timestamp: '2026-01-02 08:00:00',
        eventType: 'purchase',
        total: '5.5',
        items: "[{'SKU': a, 'quantity': 2}]",
      },
      { $profile: 'p9', timestamp: '2026-01-01 00:00:00.123', eventType: 'view' },
    ])
  })
})
