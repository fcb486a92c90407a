import { expect, test } from 'vitest'
import { compile } from '../../compiler/compile.ts'
import { overlay } from '../support/bundle.ts'

const activation = (fields: string): string => `kind: Activation\nmetadata: { name: win-back }\nspec:\n${fields}\n`
const rows = (...added: readonly string[]): string =>
  activation(
    `  mapping:\n    - { source: readerId, target: external_id, deduplicationKey: true, mandatory: true }\n${added.map((row) => `    - ${row}`).join('\n')}`,
  )
const segment = (expression: string): string =>
  `kind: Segment\nmetadata: { name: now }\nspec:\n  evaluation: Streaming\n  expression: ${expression}\n`
const logs = (fields: string): string => `kind: CampaignSource\nmetadata: { name: letter-logs }\nspec:\n${fields}\n`

// What is underlined is the least one would edit.
test.each([
  ['unknown-attribute', rows('{ source: person.nam.firstName, target: first_name }'), 'nam'],
  ['unknown-attribute', rows('{ source: "person.name.firstname", target: first_name }'), 'firstname'],
  ['unknown-target-column', rows('{ source: personalEmail.address, target: e_mail }'), 'e_mail'],
  ['array-attribute', rows('{ source: "genres[0]", target: level }'), '"genres[0]"'],
  ['target-type-mismatch', rows('{ source: club.level, target: credits }'), 'credits'],
  ['missing-reconciliation-key', activation('  mapping:\n    - { source: club.level, target: level }'), 'mapping'],
  ['activation-too-frequent', activation('  schedule: { every: 1h, startAt: "2026-12-01T04:00:00Z" }'), '1h'],
  [
    'exits-in-full-export',
    activation('  export: Full\n  schedule: { every: 24h, startAt: "2026-12-01T04:00:00Z" }'),
    'Full',
  ],
  ['invalid-schedule', logs('  schedule: "30 24 * * *"'), '24'],
  ['unknown-time-zone', logs("  timeZone: 'Vienna'"), "'Vienna'"],
  ['not-streamable', segment('exists E from xEvent where E.timestamp occurs <= 7 days before now'), '<= 7 days'],
  ['not-streamable', segment('xEvent.count() > 3'), 'xEvent'],
  [
    'not-streamable',
    segment('person.birthDate occurs > 3 days before now and xEvent.exists(timestamp occurs <= 2 weeks before now)'),
    '<= 2 weeks',
  ],
  [
    'not-streamable',
    segment('inSegment("quiet-buyers") and exists E from xEvent where E.timestamp occurs <= 24 hours before now'),
    'quiet-buyers',
  ],
  ['stream-on-batch-segment', segment('inSegment("patrons") and inSegment("quiet-buyers")'), 'quiet-buyers'],
  ['unsupported-audience-name', 'kind: Segment\nmetadata: { name: patrons }\nspec:\n  displayName: "R & D"\n', '&'],
  [
    'invalid-value',
    'kind: Destination\nmetadata: { name: letter-box }\nspec:\n  file: { nameTemplate: "{segment}_{tme}" }\n',
    '{tme}',
  ],
  [
    'multiple-organizational-units',
    'kind: CampaignInstance\nmetadata: { name: letters }\nspec:\n  organizationalUnits: [shops, online]\n',
    'online',
  ],
])('%s underlines no more than it must: %#', (code, documents, underlined) => {
  const sources = overlay(documents)
  const { diagnostics } = compile(sources)
  const found = diagnostics.filter((diagnostic) => diagnostic.code === code)
  const texts = found.map(({ file, span }) =>
    sources.find((source) => source.file === file)?.text.slice(span?.start, span?.end),
  )
  expect(texts).toEqual([underlined])
})
