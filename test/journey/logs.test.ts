// The way back: Campaign's own logs become events, and Segments see them at the same instant.
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { convoke, folderOf } from '../support/cli.ts'

const minimal = join(import.meta.dirname, '../../examples/minimal')
const source = `---
apiVersion: convoke.dev/v1alpha1
kind: CampaignSource
metadata: {name: campaign-logs}
spec:
  campaignInstanceRef: {name: production}
  profileStoreRef: {name: customers}
  schedule: "30 * * * *"
  identity: {namespace: CustomerId, column: external_id}
  tables: [{name: delivery_logs, eventType: directMarketing.emailDelivered, watermark: last_modified}]
---
apiVersion: convoke.dev/v1alpha1
kind: Segment
metadata: {name: written-to}
spec:
  profileStoreRef: {name: customers}
  expression: exists E from xEvent where E.eventType = "directMarketing.emailDelivered" and E.timestamp occurs <= 30 days before now
`

test('delivery logs are extracted, evaluated at the same instant, and read once', () => {
  using folder = folderOf({ 'bundle.yaml': readFileSync(join(minimal, 'minimal.yaml'), 'utf8') + source })
  cpSync(join(minimal, 'volumes'), join(folder.path, 'volumes'), { recursive: true })
  writeFileSync(
    join(folder.path, 'volumes/campaign/production/delivery_logs.csv'),
    'external_id,last_modified,message\nC1,2026-01-14T08:00:00Z,winter\nC2,2026-01-14T08:00:00Z,winter\nC1,2026-01-14T09:00:00Z,winter\n',
  )
  const run = (at: string) =>
    convoke(['run', 'bundle.yaml', '--workdir', 'work', '--volumes', 'volumes', '--at', at, '-o', 'json'], {
      cwd: folder.path,
    })
  const members = (out: string): number =>
    JSON.parse(out).segments.find((row: { segment: string }) => row.segment === 'written-to').members

  const first = run('2026-01-15T06:00:00Z')
  expect(first.code, first.err).toBe(0)
  expect(members(first.out)).toBe(2)

  // The overlap reads rows again; they are the same events.
  const second = run('2026-01-16T06:00:00Z')
  expect(second.code, second.err).toBe(0)
  expect(members(second.out)).toBe(2)
  const data = JSON.parse(readFileSync(join(folder.path, 'volumes/profile-store/customers/data.json'), 'utf8'))
  expect(data.eventCount).toBe(14 + 3)
})

test('without log tables the embedded database has empty ones, and the rest goes on', () => {
  using folder = folderOf({ 'bundle.yaml': readFileSync(join(minimal, 'minimal.yaml'), 'utf8') + source })
  cpSync(join(minimal, 'volumes'), join(folder.path, 'volumes'), { recursive: true })
  const { code, err } = convoke(
    ['run', 'bundle.yaml', '--workdir', 'work', '--volumes', 'volumes', '--at', '2026-01-15T06:00:00Z'],
    { cwd: folder.path },
  )
  expect(code, err).toBe(0)
})
