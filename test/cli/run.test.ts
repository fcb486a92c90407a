// `convoke run` over several calls: what is due, what is tried again, and what Campaign has then. Steps are played by a data plane in memory; what
// they really do is tested elsewhere.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Done } from '../../cli/run.ts'
import { openWorkDirectory } from '../../cli/work-directory.ts'
import { type Laptop, openLaptop } from '../protocol/laptop.ts'
import { openPlane, type Plane, type Trouble, type Work } from '../protocol/plane.ts'
import { folderOf } from '../support/cli.ts'

const minimal = readFileSync(join(import.meta.dirname, '../../examples/minimal/minimal.yaml'), 'utf8')
const day = (number: number, time = '06:00'): string => `2026-01-${String(number).padStart(2, '0')}T${time}:00Z`

/** Who is in on which day; who is not named is nobody. */
type People = Readonly<Record<string, Readonly<Record<number, readonly string[]>>>>

const people: People = {
  'gold-members': { 15: ['C1'], 16: ['C1', 'C2'], 17: ['C1'], 18: ['C1', 'C7'] },
  'big-spenders': { 15: ['C3'], 16: ['C3'], 17: ['C3'], 18: ['C3'] },
  'lapsed-buyers': { 15: ['C4', 'C5'], 16: ['C5'], 17: ['C5', 'C6'], 18: ['C6'] },
}

function opened(troubleOf: (work: Work) => Trouble | null = () => null): Laptop & { readonly plane: Plane } {
  const plane = openPlane({
    membersOf: (segment, _, now) => people[segment]?.[Number(now.slice(8, 10))] ?? [],
    troubleOf,
  })
  return Object.assign(openLaptop(plane), { plane })
}

/** Steps whose trouble is over when the test says so. */
function troubled(step: Work['step'], run: RegExp, trouble: Trouble) {
  const it = { isOver: false }
  return Object.assign(
    opened((work) => (!it.isOver && work.step === step && run.test(work.input.scheduledTime) ? trouble : null)),
    { repair: () => void (it.isOver = true) },
  )
}

const listOf = ({ lists }: Plane, segment: string): readonly string[] =>
  [...(lists.get(`newsletter/${segment}`) ?? [])].sort()

function isAsEvaluated(plane: Plane): void {
  expect(plane.wrong).toEqual([])
  for (const [segment, members] of plane.members) expect(listOf(plane, segment), segment).toEqual([...members].sort())
}

describe('a delivery that failed at one Segment', () => {
  test.each([
    ['and was not done', false],
    ['and was done, which nobody heard', true],
  ])('%s: the others count, and who left since is exited at the next slot', async (_, applied) => {
    using laptop = troubled('import', /-16T/, { at: 'lapsed-buyers', applied, retryable: false })
    const { plane } = laptop
    await laptop.call(minimal, day(15))
    const second = await laptop.call(minimal, day(16))
    expect(second.runs.map(({ run, outcome, reason }) => [run, outcome, reason])).toEqual([
      ['pstore-customers-batch-29475480', 'Succeeded', 'Succeeded'],
      ['act-newsletter-29475480', 'Failed', 'DatabaseRefused'],
    ])
    expect(listOf(plane, 'gold-members')).toEqual(['C1', 'C2'])
    laptop.repair()
    await laptop.call(minimal, day(17))
    expect(plane.files.get('newsletter/gold-members/2026-01-17T02:00:00Z')?.rows).toEqual(['C2 exited'])
    isAsEvaluated(plane)
  })

  test('is tried again by the next call, from the step that failed, for the same instant and with the same plan', async () => {
    using laptop = troubled('import', /-16T/, { at: 'lapsed-buyers' })
    const { plane } = laptop
    await laptop.call(minimal, day(15))
    await laptop.call(minimal, day(16))
    await laptop.call(minimal, day(16))
    laptop.repair()
    const last = await laptop.call(minimal, day(16, '21:00'))
    expect(last.runs.map(({ run, attempt, outcome }) => [run, attempt, outcome])).toEqual([
      ['act-newsletter-29475480', 3, 'Succeeded'],
    ])
    expect(plane.begun.slice(4)).toEqual([
      'ingest pstore-customers-batch-29475480 1',
      'evaluate pstore-customers-batch-29475480 1',
      'export act-newsletter-29475480 1',
      'import act-newsletter-29475480 1',
      'import act-newsletter-29475480 2',
      'import act-newsletter-29475480 3',
    ])
    const { now, attempt } = laptop.state().runs['default/act-newsletter-29475480']!.status
    expect([now, attempt]).toEqual([day(16), 3])
    isAsEvaluated(plane)
    expect(await laptop.call(minimal, day(16, '22:00'))).toEqual({ runs: [], notices: [] })
  })

  test('whose resources are corrected is another Run of the same slot, that need not wait where nothing was delivered', async () => {
    using laptop = troubled('export', /-15T/, { retryable: false })
    await laptop.call(minimal, day(15))
    laptop.repair()
    const { runs } = await laptop.call(
      minimal.replace('target: first_name }', 'target: email_name }').replace('name: first_name', 'name: email_name'),
      day(15, '06:10'),
    )
    expect(
      runs.map(({ run, scheduledTime, trigger, attempt, outcome }) => [run, scheduledTime, trigger, attempt, outcome]),
    ).toEqual([
      [expect.stringMatching(/^act-newsletter-29474040-[0-9a-f]{8}$/), day(15, '02:00'), 'CatchUp', 1, 'Succeeded'],
    ])
    isAsEvaluated(laptop.plane)
  })
})

test('nothing is delivered after an evaluation that failed, until one of that day succeeds', async () => {
  using laptop = troubled('ingest', /-16T/, { retryable: false })
  const { plane } = laptop
  await laptop.call(minimal, day(15))
  expect((await laptop.call(minimal, day(16))).runs.map(({ run }) => run)).toEqual(['pstore-customers-batch-29475480'])
  laptop.repair()
  const { runs } = await laptop.call(minimal, day(16))
  expect(runs.map(({ run, attempt }) => [run, attempt])).toEqual([
    ['pstore-customers-batch-29475480', 2],
    ['act-newsletter-29475480', 1],
  ])
  expect(plane.files.get('newsletter/gold-members/2026-01-16T02:00:00Z')?.rows).toEqual(['C2 realized'])
  isAsEvaluated(plane)
})

test('one Run makes up for all slots that were missed, and they are counted', async () => {
  using laptop = opened()
  await laptop.call(minimal, day(15))
  const { runs, notices } = await laptop.call(minimal, day(18))
  expect(runs.map(({ scheduledTime }) => scheduledTime)).toEqual([day(18, '02:00'), day(18, '02:00')])
  expect(notices).toEqual([
    {
      kind: 'missed',
      target: 'ProfileStore/default/customers',
      message: `2 slots, the latest ${day(17, '02:00')}, were not run and will not be. The one of ${day(18, '02:00')} is run now.`,
    },
    expect.objectContaining({ kind: 'missed', target: 'Activation/default/newsletter' }),
  ])
  expect(laptop.state().targets['ProfileStore/default/customers']).toMatchObject({
    missedSlots: 2,
    lastMissedTime: day(17, '02:00'),
  })
  isAsEvaluated(laptop.plane)
})

describe('wherever the process dies', async () => {
  const days = [15, 16, 17, 18]
  const whole = async (laptop: Laptop): Promise<void> => {
    for (const number of days) {
      for (let call = 0; call < 5; call += 1) {
        const done = await laptop.call(minimal, day(number)).catch(() => null)
        if (done?.runs.every(({ outcome }) => outcome !== 'Failed')) break
      }
    }
  }
  const shownOf = ({ files, lists }: Plane) => ({ files: [...files], lists: [...lists] })
  using undisturbed = opened()
  await whole(undisturbed)

  test.each(Array.from({ length: 24 }, (_, write) => [write, write % 2 === 0] as const))(
    'at write %i, done: %s, the next call goes on and the same is delivered',
    async (write, isDone) => {
      using laptop = opened()
      laptop.dieAt({ write, isDone })
      await whole(laptop)
      expect(shownOf(laptop.plane)).toEqual(shownOf(undisturbed.plane))
      isAsEvaluated(laptop.plane)
    },
  )

  test.each(['ingest', 'evaluate', 'export', 'import'] as const)(
    'in %s, it is made again as the same attempt',
    async (step) => {
      let deaths = 0
      using laptop = opened((work) =>
        work.step === step && /-16T/.test(work.input.scheduledTime) && (deaths += 1) <= 2 ? { dies: true } : null,
      )
      await whole(laptop)
      expect(shownOf(laptop.plane)).toEqual(shownOf(undisturbed.plane))
      expect(
        laptop.plane.begun
          .filter((each) => each.startsWith(`${step} `) && each.includes('-2947548'))
          .map((each) => each.at(-1)),
      ).toEqual(['1', '1', '1'])
    },
  )
})

const every = (hours: number, more = ''): string =>
  minimal.replace(
    'schedule: { after: Evaluation }',
    `schedule: { every: ${hours}h, startAt: "2026-01-15T00:00:00Z" }${more}`,
  )

/** Slots of the Activations' Runs. */
const delivered = ({ runs }: Done): readonly string[] =>
  runs.flatMap(({ target, scheduledTime }) => (target.kind === 'Activation' ? [scheduledTime] : []))

describe('the rules of a cluster', () => {
  test('no Segment is activated twice within the shortest interval', async () => {
    using laptop = opened()
    await laptop.call(every(3), day(15, '02:59'))
    const early = await laptop.call(every(3), day(15, '03:00'))
    expect(early.runs).toEqual([])
    expect(early.notices).toEqual([
      {
        kind: 'missed',
        target: 'Activation/default/newsletter',
        message: expect.stringMatching(/^The slot 2026-01-15T03:00:00Z was not run and will not be\. It gives way/),
      },
    ])
    expect((await laptop.call(every(3), day(15, '06:00'))).runs.map(({ scheduledTime }) => scheduledTime)).toEqual([
      day(15, '06:00'),
    ])
  })

  test('by another Activation of the same instance neither: it waits, and is run when its time has come', async () => {
    const both = `${every(12)}---\n${every(12).split('---\n').at(-1)!.replace('name: newsletter', 'name: second').replace('T00:00:00Z', 'T06:30:00Z')}`
    const named = both.replace(
      /(kind: Destination[\s\S]*?path: audiences } }\n)/,
      '$1  file: { nameTemplate: "{activation}_{segment}_{timestamp}" }\n',
    )
    using laptop = opened()
    await laptop.call(named, day(15))
    const waiting = await laptop.call(named, day(15, '06:30'))
    expect(waiting).toEqual({
      runs: [],
      notices: [
        {
          kind: 'waiting',
          target: 'Activation/default/second',
          message: expect.stringMatching(/^Waits until 2026-01-15T09:00:00Z: no Segment is activated/),
        },
      ],
    })
    expect(
      (await laptop.call(named, day(15, '09:00'))).runs.map(({ target, scheduledTime }) => [
        target.name,
        scheduledTime,
      ]),
    ).toEqual([['second', day(15, '06:30')]])
  })

  test.each([
    ['late', `\n  startingDeadlineSeconds: 600`, '06:20', 0],
    ['in time', `\n  startingDeadlineSeconds: 600`, '06:09', 1],
    ['late', `\n  catchUp: None`, '06:02', 0],
    ['in time', `\n  catchUp: None`, '06:00', 1],
  ])('a slot that is %s (%s) at %s', async (_, more, time, runs) => {
    using laptop = opened()
    await laptop.call(every(6, more), day(15, '00:00'))
    expect(delivered(await laptop.call(every(6, more), day(15, time)))).toHaveLength(runs)
  })

  test('what is suspended is not run, and goes on with the slots that come due after it was looked at last', async () => {
    using laptop = opened()
    await laptop.call(every(6), day(15, '00:00'))
    const suspended = every(6).replace(
      'metadata: { name: newsletter }',
      'metadata: { name: newsletter, annotations: { convoke.dev/suspend: "true" } }',
    )
    for (const time of ['06:00', '13:00']) expect(delivered(await laptop.call(suspended, day(15, time)))).toEqual([])
    expect(delivered(await laptop.call(every(6), day(15, '14:00')))).toEqual([])
    expect((await laptop.call(every(6), day(15, '18:30'))).runs.map(({ scheduledTime }) => scheduledTime)).toEqual([
      day(15, '18:00'),
    ])
  })

  test('what was approved passes once', async () => {
    const approved: (readonly string[] | undefined)[] = []
    using laptop = opened(({ step, input }) => {
      if (step === 'export') approved.push(input.approved)
      return null
    })
    const asked = minimal.replace(
      'metadata: { name: newsletter }',
      'metadata: { name: newsletter, annotations: { convoke.dev/approve: "gold-members@1" } }',
    )
    await laptop.call(minimal, day(15))
    await laptop.call(asked, day(16))
    await laptop.call(asked, day(17))
    expect(approved).toEqual([undefined, ['gold-members'], undefined])
  })

  test('what was asked for is run once', async () => {
    const asked = minimal.replace(
      'metadata: { name: newsletter }',
      'metadata: { name: newsletter, annotations: { convoke.dev/requestedAt: "now" } }',
    )
    using laptop = opened()
    await laptop.call(minimal, day(15))
    const { runs } = await laptop.call(asked, day(15, '12:00'))
    expect(runs.map(({ run, trigger }) => [run, trigger])).toEqual([
      [expect.stringMatching(/^act-newsletter-29474640-[0-9a-f]{8}$/), 'Manual'],
    ])
    expect((await laptop.call(asked, day(15, '18:00'))).runs).toEqual([])
  })

  describe('of a Segment that is deleted with its exits', () => {
    const exits = minimal.replace(
      'name: gold-members }\nspec:',
      'name: gold-members }\nspec:\n  deletionPolicy: ExportExits',
    )
    const without = (text: string): string =>
      text.replace(/apiVersion[^-]*kind: Segment\nmetadata: \{ name: gold-members \}[\s\S]*?---\n/, '')

    test('everybody leaves with the next delivery, once', async () => {
      using laptop = opened()
      await laptop.call(exits, day(15))
      const left = without(exits).replace('[{ name: gold-members }, ', '[')
      await laptop.call(left, day(16))
      expect(laptop.plane.files.get('newsletter/gold-members/2026-01-16T02:00:00Z')?.rows).toEqual(['C1 exited'])
      await laptop.call(left, day(17))
      expect(laptop.plane.files.has('newsletter/gold-members/2026-01-17T02:00:00Z')).toBe(false)
      expect(listOf(laptop.plane, 'gold-members')).toEqual([])
    })

    test('also where it was the only one of its Activation', async () => {
      const selected = exits
        .replace(
          'segmentRefs: [{ name: gold-members }, { name: big-spenders }, { name: lapsed-buyers }]',
          'segmentSelector: { matchLabels: { sent: "yes" } }',
        )
        .replace('metadata: { name: gold-members }', 'metadata: { name: gold-members, labels: { sent: "yes" } }')
      const left = selected.replace(/apiVersion[^-]*kind: Segment\nmetadata: \{ name: gold-members, [\s\S]*?---\n/, '')
      using laptop = opened()
      await laptop.call(selected, day(15))
      await laptop.call(left, day(16))
      expect(listOf(laptop.plane, 'gold-members')).toEqual([])
      expect((await laptop.call(left, day(17))).runs.map(({ target }) => target.kind)).toEqual(['ProfileStore'])
    })
  })
})

describe('a work directory', () => {
  const open = (path: string) => openWorkDirectory(path, () => new Date())

  test('of the first format is taken over: what was run and what was delivered', () => {
    using folder = folderOf({
      'state.json': JSON.stringify({
        formatVersion: 1,
        lastSlots: {
          'ProfileStore/default/shop/Batch': day(15),
          'ProfileStore/default/shop/Streaming': day(16),
          'Activation/default/offers': day(15),
        },
        baselines: { 'default/offers': { gold: 'act-offers-1' } },
        attempts: { 'act-offers-1': 2 },
      }),
    })
    using work = open(folder.path)
    expect(work.state()).toEqual({
      formatVersion: 2,
      lookedAt: null,
      targets: {
        'ProfileStore/default/shop': {
          lastBatchTime: day(15),
          lastSuccessfulBatchTime: day(15),
          lastStreamingTime: day(16),
        },
        'Activation/default/offers': {
          lastScheduledTime: day(15),
          lastSuccessfulTime: day(15),
          baselines: [{ segment: 'gold', run: 'act-offers-1', acknowledgedAt: day(15) }],
        },
      },
      runs: {},
      activated: {},
    })
  })

  test.each([
    [
      'of a later version is refused',
      '{"formatVersion": 3}',
      /written by a later version of Convoke \(format 3, this one knows 2\)/,
    ],
    [
      'that is cut off is said to be damaged',
      '{"formatVersion": 2, "tar',
      /state\.json` is damaged \(.*\): it remembers what was delivered\. Put back a copy of it/,
    ],
    ['of something else is said to be damaged', '[]', /is damaged \(it has no formatVersion\)/],
  ])('%s, and stays as it is', (_, text, message) => {
    using folder = folderOf({ 'state.json': text })
    expect(() => open(folder.path)).toThrow(message)
    expect(readFileSync(join(folder.path, 'state.json'), 'utf8')).toBe(text)
    writeFileSync(
      join(folder.path, 'state.json'),
      '{"formatVersion": 2, "lookedAt": null, "targets": {}, "runs": {}, "activated": {}}',
    )
    open(folder.path)[Symbol.dispose]()
  })

  test('is one process’s at a time', () => {
    using folder = folderOf({})
    const work = open(folder.path)
    expect(() => open(folder.path)).toThrow(/Another `convoke run` works in/)
    work[Symbol.dispose]()
    open(folder.path)[Symbol.dispose]()
  })
})

describe('an expectation of severity HoldActivations that is not met', () => {
  /** `isMet` says whether it is, from now on. */
  function expecting(troubleOf?: (work: Work) => Trouble | null) {
    const it = { isMet: true }
    const message = 'the latest delivery has 3 records'
    const plane = openPlane({
      membersOf: (segment, _, now) => people[segment]?.[Number(now.slice(8, 10))] ?? [],
      expectationsOf: () => [{ name: 'size', severity: 'HoldActivations', met: it.isMet, message }],
      ...(troubleOf && { troubleOf }),
    })
    const laptop: Laptop = openLaptop(plane)
    return Object.assign(laptop, { plane, it })
  }
  const waiting = {
    kind: 'waiting',
    target: 'Activation/default/newsletter',
    message:
      'The data of the ProfileStore customers is not as expected, so that nothing of it is delivered. all, size: the latest delivery has 3 records. Each ingestion of the store looks again; `severity: Warn` of the expectation delivers all the same.',
  }

  test('leaves the slot due: Segments are evaluated, nothing is delivered until it is met again', async () => {
    using laptop = expecting()
    const { plane, it } = laptop
    await laptop.call(minimal, day(15))
    it.isMet = false
    const first = await laptop.call(minimal, day(16))
    expect(first.runs.map(({ target }) => target.kind)).toEqual(['ProfileStore'])
    expect(first.notices).toEqual([waiting])
    expect(await laptop.call(minimal, day(16, '09:00'))).toEqual({ runs: [], notices: [waiting] })
    expect([...plane.files.keys()].filter((name) => name.includes('-16T'))).toEqual([])
    it.isMet = true
    const { runs, notices } = await laptop.call(minimal, day(17))
    expect(runs.map(({ run, outcome }) => [run, outcome])).toEqual([
      ['pstore-customers-batch-29476920', 'Succeeded'],
      ['act-newsletter-29476920', 'Succeeded'],
    ])
    expect(notices.map(({ kind }) => kind)).toEqual(['missed'])
    isAsEvaluated(plane)
  })

  test('leaves the slot due where none is caught up with, as its Run waits in a cluster', async () => {
    using laptop = expecting()
    const { it } = laptop
    const daily = "schedule: { every: 24h, startAt: '2026-01-15T03:00:00Z' }\n  catchUp: None"
    const strict = minimal.replace('schedule: { after: Evaluation }', daily)
    await laptop.call(strict, day(15, '03:00'))
    it.isMet = false
    await laptop.call(strict, day(16, '03:00'))
    it.isMet = true
    const { runs } = await laptop.call(strict, day(17, '02:30'))
    expect(runs.map(({ target, scheduledTime, trigger }) => [target.kind, scheduledTime, trigger])).toEqual([
      ['ProfileStore', '2026-01-17T02:00:00Z', 'CatchUp'],
      ['Activation', '2026-01-16T03:00:00Z', 'CatchUp'],
    ])
  })

  test.each([
    ['an export', 'export', ['ingest', 'evaluate'], [waiting]],
    ['no import of what was exported before', 'import', ['ingest', 'evaluate', 'import'], []],
  ] as const)('keeps %s from being tried again', async (_, step, begun, notices) => {
    using laptop = expecting((work) => (work.step === step && work.input.attempt === 1 ? {} : null))
    const { plane, it } = laptop
    await laptop.call(minimal, day(15))
    it.isMet = false
    const asked = plane.begun.length
    // The evaluation of the day is asked for once more.
    const again = minimal.replace(
      'metadata: { name: customers }',
      'metadata: { name: customers, annotations: { convoke.dev/requestedAt: "now" } }',
    )
    const done = await laptop.call(again, day(15, '07:00'))
    expect(plane.begun.slice(asked).map((each) => each.split(' ')[0])).toEqual(begun)
    expect(done.notices).toEqual(notices)
  })
})
