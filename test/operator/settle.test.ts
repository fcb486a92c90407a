// What of a namespace can run: a broken resource never stops its neighbours.
import { describe, expect, test } from 'vitest'
import type { Definition } from '../../operator/definition.ts'
import { type Settled, settle } from '../../operator/settle.ts'
import { viewsOf } from '../../operator/views.ts'
import { minimal } from './bundle.ts'

type Any = {
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly spec: Record<string, unknown>
}
type Edit = (resources: Any[]) => Any[]

const inNamespace = (resources: readonly Any[]): readonly Definition[] =>
  resources.map(
    (resource) => ({ ...resource, metadata: { namespace: 'shop', ...resource.metadata } }) as unknown as Definition,
  )

/** The spec of one with these fields. */
const edit =
  (kind: string, name: string, spec: object): Edit =>
  (resources) =>
    resources.map((resource) =>
      resource.kind === kind && resource.metadata.name === name
        ? { ...resource, spec: { ...resource.spec, ...spec } }
        : resource,
    )
const without =
  (kind: string, name: string): Edit =>
  (resources) =>
    resources.filter((resource) => resource.kind !== kind || resource.metadata.name !== name)
const withSegment =
  (name: string, expression: string, creationTimestamp?: string, spec: object = {}): Edit =>
  (resources) => [
    ...resources,
    {
      apiVersion: 'convoke.dev/v1alpha1',
      kind: 'Segment',
      metadata: { name, ...(creationTimestamp && { creationTimestamp }) },
      spec: { profileStoreRef: { name: 'customers' }, expression, ...spec },
    },
  ]
const refs = (...names: string[]): Edit =>
  edit('Activation', 'newsletter', { segmentRefs: names.map((name) => ({ name })) })
const selector = edit('Activation', 'newsletter', { segmentRefs: undefined, segmentSelector: {} })
const limit = (segments: number, enforcement = {}): Edit =>
  edit('CampaignInstance', 'production', { limits: { segments }, enforcement })

const good = 'loyalty.tier = "gold"'
const bad = 'loyalty.teir = "gold"'
const all = ['big-spenders', 'gold-members', 'lapsed-buyers']

type Case = {
  readonly title: string
  readonly edits: readonly Edit[]
  readonly accepted?: Readonly<Record<string, string>>
  readonly ran?: readonly string[]
  /** Segments that the store evaluates, and the Activation delivers; null where it cannot run. */
  readonly evaluated?: readonly string[] | null
  readonly delivered?: readonly string[] | null
  /** Segment → the beginning of why. */
  readonly held?: Readonly<Record<string, string>>
  readonly outdated?: readonly string[]
  /** Resource → reason of its condition Ready, where that is not True. */
  readonly ready?: Readonly<Record<string, string>>
}

const cases: readonly Case[] = [
  { title: 'a good bundle runs whole', edits: [] },
  {
    title: 'a Segment with a fault is held, and the others go on',
    edits: [edit('Segment', 'gold-members', { expression: bad })],
    evaluated: ['big-spenders', 'lapsed-buyers'],
    delivered: ['big-spenders', 'lapsed-buyers'],
    held: { 'gold-members': 'unknown-attribute: ' },
    ready: { 'Segment/gold-members': 'CompileFailed', 'Activation/newsletter': 'SegmentsHeld' },
  },
  {
    title: 'a Segment that was right before goes on as it was',
    edits: [edit('Segment', 'gold-members', { expression: bad })],
    accepted: { 'gold-members': good },
    outdated: ['gold-members'],
    ready: { 'Segment/gold-members': 'CompileFailed' },
  },
  {
    title: 'what was accepted before and fails by now as well is no help',
    edits: [edit('Segment', 'gold-members', { expression: bad })],
    accepted: { 'gold-members': 'loyalty.rank = 1' },
    evaluated: ['big-spenders', 'lapsed-buyers'],
    delivered: ['big-spenders', 'lapsed-buyers'],
    held: { 'gold-members': 'unknown-attribute: ' },
    ready: { 'Segment/gold-members': 'CompileFailed', 'Activation/newsletter': 'SegmentsHeld' },
  },
  {
    title: 'a Segment that does not exist is held',
    edits: [refs(...all, 'nobody')],
    held: { nobody: 'unresolved-reference: There is no Segment `nobody`' },
    ready: { 'Activation/newsletter': 'SegmentsHeld' },
  },
  {
    title: 'a Segment that is listed twice is delivered once',
    edits: [refs(...all, 'gold-members')],
    ready: { 'Activation/newsletter': 'CompileFailed' },
  },
  {
    title: 'a Segment whose file name is too long is held alone',
    edits: [withSegment('s'.repeat(220), good), refs(...all, 's'.repeat(220))],
    evaluated: [...all, 's'.repeat(220)].sort(),
    delivered: all,
    held: { ['s'.repeat(220)]: 'file-name-too-long: The file name of `sssss' },
    ready: { 'Activation/newsletter': 'SegmentsHeld' },
  },
  {
    title: 'so is one whose name takes more bytes than a file system takes',
    edits: [
      edit('Destination', 'landing-zone', { file: { nameTemplate: '{segmentName}_{timestamp}' } }),
      edit('Segment', 'gold-members', { displayName: 'ü'.repeat(130) }),
    ],
    delivered: ['big-spenders', 'lapsed-buyers'],
    held: { 'gold-members': 'file-name-too-long: The file name of `gold-members` comes to 2' },
    ready: { 'Activation/newsletter': 'SegmentsHeld' },
  },
  ...(
    [
      ['of its name', 'Gold members', 'Gold members'],
      ['of its name in other letters', 'Gold members', 'GOLD members'],
      ['of its name composed otherwise', 'Größe', 'Gro\u0308ße'],
      ['that is a part of another', 'Gold', 'Gold_2'],
      ['of which another is a part', 'Gold_2', 'Gold'],
    ] as const
  ).map(
    ([what, first, second]): Case => ({
      title: `of two files one is held, the newer: ${what}`,
      edits: [
        edit('Destination', 'landing-zone', { file: { nameTemplate: '{segmentName}' } }),
        edit('Segment', 'gold-members', { displayName: first }),
        withSegment('a-gold-two', good, '2026-12-01T00:00:00Z', { displayName: second }),
        refs(...all, 'a-gold-two'),
      ],
      evaluated: ['a-gold-two', ...all],
      delivered: all,
      held: { 'a-gold-two': 'file-name-collision: It would be written to `' },
      ready: { 'Activation/newsletter': 'SegmentsHeld' },
    }),
  ),
  {
    title: 'of two files of one name the one that was delivered before goes on',
    edits: [
      edit('Destination', 'landing-zone', { file: { nameTemplate: '{segmentName}' } }),
      edit('Segment', 'big-spenders', { displayName: 'Gold members' }),
      edit('Segment', 'gold-members', { displayName: 'Gold members' }),
    ],
    ran: ['gold-members'],
    delivered: ['gold-members', 'lapsed-buyers'],
    held: {
      'big-spenders': 'file-name-collision: It would be written to `Gold members.csv`, where Segment `gold-members`',
    },
    ready: { 'Activation/newsletter': 'SegmentsHeld' },
  },
  {
    title: 'a Segment whose exits full files cannot hold is held alone',
    edits: [
      edit('Segment', 'gold-members', { deletionPolicy: 'ExportExits' }),
      edit('Activation', 'newsletter', { export: 'Full' }),
    ],
    delivered: ['big-spenders', 'lapsed-buyers'],
    held: { 'gold-members': 'exits-in-full-export: Full files never hold its exits' },
    ready: { 'Activation/newsletter': 'SegmentsHeld' },
  },
  {
    title: 'so is one whose exits nobody hears of without a status column',
    edits: [
      edit('Segment', 'gold-members', { deletionPolicy: 'ExportExits' }),
      edit('Activation', 'newsletter', { membershipStatus: 'Omit' }),
    ],
    delivered: ['big-spenders', 'lapsed-buyers'],
    held: { 'gold-members': 'exits-without-membership-status: ' },
    ready: { 'Activation/newsletter': 'SegmentsHeld' },
  },
  {
    title: 'what refers to a broken Segment is held with it',
    edits: [
      withSegment('gold-too', 'inSegment("gold-members")'),
      edit('Segment', 'gold-members', { expression: bad }),
      refs(...all, 'gold-too'),
    ],
    evaluated: ['big-spenders', 'lapsed-buyers'],
    delivered: ['big-spenders', 'lapsed-buyers'],
    held: { 'gold-members': 'unknown-attribute: ', 'gold-too': 'It refers to a Segment that does not compile.' },
    ready: {
      'Segment/gold-members': 'CompileFailed',
      'Segment/gold-too': 'WaitingForDependency',
      'Activation/newsletter': 'SegmentsHeld',
    },
  },
  {
    title: 'of Segments chosen by label the broken ones are held',
    edits: [selector, edit('Segment', 'gold-members', { expression: bad })],
    evaluated: ['big-spenders', 'lapsed-buyers'],
    delivered: ['big-spenders', 'lapsed-buyers'],
    held: { 'gold-members': 'unknown-attribute: ' },
    ready: { 'Segment/gold-members': 'CompileFailed', 'Activation/newsletter': 'SegmentsHeld' },
  },
  {
    title: 'over the limit the newest is held, and evaluated all the same',
    edits: [withSegment('newest', good, '2026-02-01T00:00:00Z'), selector, limit(3)],
    evaluated: ['big-spenders', 'gold-members', 'lapsed-buyers', 'newest'],
    delivered: all,
    held: { newest: 'too-many-segments: 4 Segments are activated to `production`, the limit is 3' },
    ready: { 'Segment/newest': 'TooManySegments', 'Activation/newsletter': 'SegmentsHeld' },
  },
  {
    title: 'one that Campaign has goes on over one that never ran, whichever is newer',
    edits: [withSegment('newest', good, '2026-02-01T00:00:00Z'), selector, limit(3)],
    ran: ['newest', 'gold-members', 'lapsed-buyers'],
    evaluated: ['big-spenders', 'gold-members', 'lapsed-buyers', 'newest'],
    delivered: ['gold-members', 'lapsed-buyers', 'newest'],
    held: { 'big-spenders': 'too-many-segments: ' },
    ready: { 'Segment/big-spenders': 'TooManySegments', 'Activation/newsletter': 'SegmentsHeld' },
  },
  {
    title: 'a limit that only warns holds nothing',
    edits: [withSegment('newest', good), selector, limit(3, { segments: 'Warn' })],
    evaluated: ['big-spenders', 'gold-members', 'lapsed-buyers', 'newest'],
    delivered: ['big-spenders', 'gold-members', 'lapsed-buyers', 'newest'],
  },
  {
    title: 'an Activation of which nothing is left does not run',
    edits: [refs('gold-members'), edit('Segment', 'gold-members', { expression: bad })],
    evaluated: ['big-spenders', 'lapsed-buyers'],
    delivered: null,
    held: { 'gold-members': 'unknown-attribute: ' },
    ready: { 'Segment/gold-members': 'CompileFailed', 'Activation/newsletter': 'CompileFailed' },
  },
  {
    title: 'an Activation with a fault of its own does not run, and the store does',
    edits: [edit('Activation', 'newsletter', { mapping: [{ source: 'nothing.here', target: 'external_id' }] })],
    delivered: null,
    ready: { 'Activation/newsletter': 'CompileFailed' },
  },
  {
    title: 'what a guardrail forbids at the instance stops what goes there',
    edits: [edit('CampaignInstance', 'production', { organizationalUnits: ['a', 'b'] })],
    delivered: null,
    ready: {
      'CampaignInstance/production': 'CompileFailed',
      'Destination/landing-zone': 'WaitingForDependency',
      'Activation/newsletter': 'WaitingForDependency',
    },
  },
  {
    title: 'a Dataset with a fault keeps the store at its plan before',
    edits: [edit('Dataset', 'orders', { mapping: [{ source: 'x', target: 'nothing.here' }] })],
    ready: { 'Dataset/orders': 'CompileFailed', 'ProfileStore/customers': 'WaitingForDependency' },
  },
  {
    title: 'without its store nothing runs',
    edits: [without('ProfileStore', 'customers')],
    evaluated: null,
    delivered: null,
    held: Object.fromEntries(all.map((name) => [name, 'unresolved-reference: There is no ProfileStore'])),
  },
  {
    title: 'without an Organization nothing runs',
    edits: [without('Organization', 'corner-shop')],
    evaluated: null,
    delivered: null,
  },
]

describe('settle', () => {
  test.each(cases)(
    '$title',
    ({ edits, accepted = {}, ran = [], evaluated = all, delivered = all, held = {}, outdated = [], ready }) => {
      const resources = edits.reduce((before, change) => change(before), minimal() as unknown as Any[])
      const definitions = inNamespace(resources)
      const settled = settle({
        definitions,
        accepted: (segment) => accepted[segment] ?? null,
        hasRun: (_, segment) => ran.includes(segment),
      })
      const names = (of: readonly { readonly name: string }[] | undefined) => of?.map(({ name }) => name).sort() ?? null
      expect(names(settled.plans.get('ProfileStore/shop/customers')?.evaluate?.segments)).toEqual(evaluated)
      expect(names(settled.plans.get('Activation/shop/newsletter')?.export?.segments)).toEqual(delivered)
      expect(heldOf(settled)).toEqual(
        Object.fromEntries(
          Object.entries(held).map(([segment, why]) => [
            segment,
            expect.stringMatching(`^${why.replace(/[.`]/g, '\\$&')}`),
          ]),
        ),
      )
      expect([...settled.outdated]).toEqual(outdated.map((name) => `Segment/shop/${name}`))
      const views = viewsOf(settled, definitions)
      expect(views.size).toBe(definitions.length)
      if (ready === undefined && evaluated === null) return
      const notReady = [...views].flatMap(([key, { claims }]) => {
        const claim = claims.find(({ type }) => type === 'Ready')!
        return claim.status === 'True' ? [] : [[key.replace('/shop/', '/'), claim.reason]]
      })
      expect(Object.fromEntries(notReady)).toEqual(ready ?? {})
    },
  )

  test('the order of resources makes no difference', () => {
    const definitions = inNamespace(edit('Segment', 'gold-members', { expression: bad })(minimal() as unknown as Any[]))
    const one = settle({ definitions, accepted: () => null, hasRun: () => false })
    const other = settle({ definitions: [...definitions].reverse(), accepted: () => null, hasRun: () => false })
    expect(heldOf(other)).toEqual(heldOf(one))
    for (const [key, plan] of one.plans) expect(other.plans.get(key)?.digest).toBe(plan.digest)
  })
})

function heldOf({ held }: Settled): Record<string, string> {
  return Object.fromEntries(
    (held.get('Activation/shop/newsletter') ?? []).map(({ segment, message }) => [segment, message]),
  )
}
