// What a pass over a target of Runs does, by what is known of it: decisions alone, without an API server.
import { describe, expect, test } from 'vitest'
import type { ConditionReason, RunSpec, RunStatus } from '#crds'
import { digitsOf, succeededFields } from '#protocol'
import type { Definition } from '../../operator/definition.ts'
import type { Run } from '../../operator/run/known.ts'
import { dueOf, restOf } from '../../operator/target/decide.ts'
import type { Seen, Target } from '../../operator/target/known.ts'
import { cronOf } from '../schedule/cron-of.ts'

const at = (time: string): number => Date.parse(`2026-12-0${time}:00Z`)
const text = (ms: number): string => new Date(ms).toISOString().replace('.000Z', 'Z')
const nightly = { kind: 'cron', cron: cronOf('0 2 * * *'), timeZone: 'Etc/UTC' } as const
const sixHourly = { kind: 'every', seconds: 6 * 3600, startAt: new Date(at('1T04:00')) } as const
const fiveMinutes = { kind: 'every', seconds: 300, startAt: new Date(0) } as const
const view = {
  claims: [{ type: 'Ready', status: 'True', reason: 'Ready', message: '3 Segments.' }],
  fields: {},
  isRunnable: true,
} as const

type Status = Readonly<Record<string, unknown>>
type Annotations = Readonly<Record<string, string>>

function targetOf(kind: Target['kind'], status: Status = {}, spec: Status = {}, annotations: Annotations = {}): Target {
  const metadata = { name: 'offers', creationTimestamp: text(at('1T00:00')), annotations }
  const definition = { kind, metadata, spec: { mapping: [], ...spec } }
  return {
    kind,
    namespace: 'shop',
    name: 'offers',
    uid: 'u',
    resourceVersion: '1',
    generation: 2,
    definition,
    status: { observedGeneration: 2, observedSchedule: 'every 21600 s from 2026-12-01T04:00:00Z', ...status },
  } as unknown as Target
}

function runOf(
  name: string,
  slot: string,
  reason: ConditionReason | null,
  spec: Partial<RunSpec> = {},
  more: RunStatus = {},
  labels: Annotations = {},
): Run {
  const ended =
    reason === 'Succeeded'
      ? 'True'
      : reason === null || ['Running', 'PodPending', 'Failed', 'Queued'].includes(reason)
        ? 'Unknown'
        : 'False'
  const said =
    reason === null
      ? {}
      : succeededFields({ status: {} }, ended, reason, `${name} said so.`, { nowMs: at(slot), generation: 1 })
  const status = { ...said, ...(ended !== 'Unknown' && { finishedAt: text(at(slot)) }), ...more }
  const definition = {
    kind: 'Run',
    metadata: { name, labels },
    spec: {
      target: { kind: 'Activation', name: 'offers' },
      scheduledTime: text(at(slot)),
      trigger: 'Schedule',
      planDigest: name,
      ...spec,
    },
  } as unknown as Definition<'Run'>
  return { kind: 'Run', namespace: 'shop', name, uid: name, resourceVersion: '1', generation: 1, definition, status }
}

function seenOf(more: Partial<Seen> = {}): Seen {
  return {
    target: targetOf('Activation'),
    view,
    runs: [],
    nowMs: at('1T10:00'),
    planDigest: 'sha256:plan',
    scheduled: [{ schedule: sixHourly, evaluation: null }],
    isSuspended: false,
    store: null,
    floor: null,
    held: [],
    departing: null,
    ...more,
  }
}

const store = (status: Status = {}, annotations: Annotations = {}): Partial<Seen> => ({
  target: targetOf('ProfileStore', { observedSchedule: '0 2 * * * in Etc/UTC', ...status }, {}, annotations),
  scheduled: [
    { schedule: nightly, evaluation: 'Batch' },
    { schedule: fiveMinutes, evaluation: 'Streaming' },
  ],
})
const streaming = { evaluation: 'Streaming', target: { kind: 'ProfileStore', name: 'offers' } } as const
/** Of an Activation that comes after the evaluation, which has succeeded at that time; null: not yet. */
const afterEvaluation = (time: string | null): Partial<Seen> => ({
  target: targetOf('Activation', { observedSchedule: 'after Evaluation' }),
  scheduled: [{ schedule: { kind: 'after', evaluation: nightly }, evaluation: null }],
  store: { ...(time !== null && { lastSuccessfulBatchTime: text(at(time)) }), sinceMs: 0 },
})
const batch = { evaluation: 'Batch', target: { kind: 'ProfileStore', name: 'offers' } } as const

describe('what is begun', () => {
  test.each<
    readonly [what: string, seen: Partial<Seen>, begun: readonly string[], skipped: string | null, asked: string | null]
  >([
    ['the slot, with those before it counted first', {}, [], '1 until 1T04:00', null],
    [
      'the slot',
      { target: targetOf('Activation', { lastScheduledTime: text(at('1T04:00')) }) },
      ['1T10:00 Schedule'],
      null,
      null,
    ],
    [
      'a late slot',
      { nowMs: at('1T11:00'), target: targetOf('Activation', { lastScheduledTime: text(at('1T04:00')) }) },
      ['1T10:00 CatchUp'],
      null,
      null,
    ],
    ['no slot that has a Run', { runs: [runOf('a', '1T10:00', 'Running')] }, [], null, null],
    [
      'nor one whose Run failed: its attempts go on by themselves',
      { runs: [runOf('a', '1T10:00', 'DatabaseRefused')] },
      [],
      null,
      null,
    ],
    [
      'nothing without a plan',
      { planDigest: undefined, target: targetOf('Activation', { lastScheduledTime: text(at('1T04:00')) }) },
      [],
      null,
      null,
    ],
    ['nothing while suspended', { scheduled: [], isSuspended: true }, [], null, null],
    [
      'nothing from before a change of the schedule',
      { target: targetOf('Activation', { observedSchedule: 'every 3 s' }), nowMs: at('1T12:00') },
      [],
      null,
      null,
    ],
    [
      'nothing from before it went on',
      { target: targetOf('Activation', { observedSchedule: 'suspended' }), nowMs: at('1T12:00') },
      [],
      null,
      null,
    ],
    [
      'what comes after an evaluation, when that has succeeded',
      afterEvaluation('1T02:00'),
      ['1T02:00 Schedule'],
      null,
      null,
    ],
    ['nothing before it has', afterEvaluation(null), [], null, null],
    [
      'nothing twice after one evaluation',
      { ...afterEvaluation('1T02:00'), runs: [runOf('a', '1T02:00', 'Succeeded')] },
      [],
      null,
      null,
    ],
    [
      'a slot that makes the next one late gives way',
      {
        target: targetOf('Activation', { lastScheduledTime: text(at('1T04:00')) }),
        floor: { floorMs: at('1T14:00'), intervalMs: 3 * 3_600_000 },
      },
      [],
      '1 until 1T10:00',
      null,
    ],
    [
      'batch before streaming, which has nothing to add',
      { ...store(), nowMs: at('1T02:00') },
      ['1T02:00 Schedule Batch'],
      null,
      null,
    ],
    [
      'streaming in its time',
      { ...store({ lastBatchTime: text(at('1T02:00')) }), nowMs: at('1T02:05') },
      ['1T02:05 Schedule Streaming'],
      null,
      null,
    ],
    [
      'no streaming that is late',
      { ...store({ lastBatchTime: text(at('1T02:00')) }), nowMs: at('1T02:09') },
      [],
      null,
      null,
    ],
    [
      'no streaming beside a Run',
      { ...store(), runs: [runOf('a', '1T02:00', 'Running', batch)], nowMs: at('1T02:05') },
      [],
      null,
      null,
    ],
    [
      'no streaming of what was evaluated since',
      { ...store({ lastBatchTime: text(at('1T02:00')), evaluatedAt: text(at('1T02:05')) }), nowMs: at('1T02:05') },
      [],
      null,
      null,
    ],
    [
      'what somebody asks for',
      {
        target: targetOf(
          'Activation',
          { lastScheduledTime: text(at('1T10:00')) },
          {},
          { 'convoke.dev/requestedAt': 'x' },
        ),
      },
      [],
      null,
      'x',
    ],
    [
      'no request twice',
      {
        target: targetOf(
          'Activation',
          { lastScheduledTime: text(at('1T10:00')), lastHandledRequestedAt: 'x' },
          {},
          { 'convoke.dev/requestedAt': 'x' },
        ),
      },
      [],
      null,
      null,
    ],
  ])('%s', (_, more, begun, skipped, asked) => {
    const { requests, skip, asked: isAsked } = dueOf(seenOf(more))
    expect(
      requests.map(
        ({ slotMs, trigger, evaluation }) =>
          `${text(slotMs).slice(9, 16)} ${trigger}${evaluation ? ` ${evaluation}` : ''}`,
      ),
    ).toEqual(begun)
    expect(skip && `${skip.count} until ${text(skip.latestMs).slice(9, 16)}`).toBe(skipped)
    expect(isAsked).toBe(asked)
  })

  test.each([
    ['is passed on', [], { segments: ['a', 'b'], isAnswered: false }],
    [
      'is answered by the Run that bears it',
      [runOf('r', '1T10:00', 'Running', {}, {}, { 'convoke.dev/approval': digitsOf('a, b@2') })],
      { segments: ['a', 'b'], isAnswered: true },
    ],
  ])('an approval %s', (_, runs, wanted) => {
    const target = targetOf('Activation', {}, {}, { 'convoke.dev/approve': 'a, b@2' })
    expect(dueOf(seenOf({ target, runs })).approval ?? null).toMatchObject(wanted)
  })
})

describe('what its status says when nothing is to be begun', () => {
  const ready = ({ fields }: ReturnType<typeof restOf>): string => {
    const { reason, status, message } = (
      fields['conditions'] as { type: string; reason: string; status: string; message: string }[]
    ).find(({ type }) => type === 'Ready')!
    return `${status} ${reason}: ${message}`
  }
  const rest = (more: Partial<Seen>) => restOf(seenOf(more), { asked: null, approval: null })

  test.each<readonly [what: string, seen: Partial<Seen>, ready: string]>([
    ['nothing but what the compiler says', {}, 'True Ready: 3 Segments.'],
    [
      'that it is suspended',
      { isSuspended: true, scheduled: [] },
      'True Suspended: No new Runs are made by its schedule.',
    ],
    [
      'that the latest Run failed',
      { runs: [runOf('a', '1T04:00', 'Succeeded'), runOf('b', '1T10:00', 'OOMKilled')] },
      'False RunFailed: b: OOMKilled: b said so.',
    ],
    [
      'not that one before it did',
      { runs: [runOf('a', '1T04:00', 'OOMKilled'), runOf('b', '1T10:00', 'Succeeded')] },
      'True Ready: 3 Segments.',
    ],
    [
      'nothing of one that was replaced',
      { runs: [runOf('a', '1T04:00', 'Succeeded'), runOf('b', '1T10:00', 'Replaced')] },
      'True Ready: 3 Segments.',
    ],
    [
      'nothing of streaming ones',
      { ...store(), runs: [runOf('b', '1T10:00', 'OOMKilled', streaming)] },
      'True Ready: 3 Segments.',
    ],
    ['that a Run cannot start', { runs: [runOf('a', '1T10:00', 'PodPending')] }, 'False PodPending: a: a said so.'],
    ['that a Run is queued', { runs: [runOf('a', '1T10:00', 'Queued')] }, 'False Queued: a: a said so.'],
    [
      'that a Run fails and is tried again',
      { runs: [runOf('a', '1T10:00', 'Failed')] },
      'False RunFailing: a: a said so.',
    ],
    [
      'what departing Segments leave to do',
      { departing: 'Its Segments were deleted.', view: { ...view, claims: [] } },
      'True Ready: Its Segments were deleted.',
    ],
  ])('%s', (_, more, wanted) => {
    expect(ready(rest(more))).toBe(wanted)
  })

  test('when it was run and is run next, and wakes then', () => {
    const { fields, wakeMs } = rest({
      runs: [runOf('a', '1T10:00', 'Succeeded'), runOf('b', '1T10:00', 'Running')],
      nowMs: at('1T15:55'),
    })
    expect(fields).toMatchObject({
      lastScheduledTime: text(at('1T10:00')),
      nextScheduledTime: text(at('1T16:00')),
      activeRuns: ['b'],
      planDigest: 'sha256:plan',
    })
    expect(wakeMs).toBe(at('1T16:00'))
  })

  test('which Segments are held, and since when', () => {
    const before = { held: [{ segment: 'b', reason: 'CircuitBreaker', since: text(at('1T04:00')) }] }
    const latest = runOf(
      'r',
      '1T10:00',
      'Held',
      {},
      { segments: [{ segment: 'a' }, { segment: 'b', held: 'too many exits' }, { segment: 'c', held: 'x' }] },
    )
    const { fields } = rest({
      target: targetOf('Activation', before),
      runs: [latest],
      held: [{ segment: 'c', reason: 'CompileFailed', message: 'broken' }],
    })
    expect(fields['held']).toEqual([
      {
        segment: 'b',
        reason: 'CircuitBreaker',
        message: 'too many exits',
        run: 'r',
        since: text(at('1T04:00')),
        runs: 2,
      },
      { segment: 'c', reason: 'CompileFailed', message: 'broken', since: text(at('1T10:00')) },
    ])
  })

  test('how old a hold is, and what it is compared with', () => {
    const hold = {
      direction: 'entered',
      people: 6,
      percent: 54.5,
      limit: 50,
      list: 11,
      left: 3,
      baseline: 'first',
    } as const
    const latest = (name: string) =>
      runOf(name, '1T10:00', 'Held', {}, { segments: [{ segment: 'b', held: 'too many', hold }] })
    const known = { segment: 'b', reason: 'CircuitBreaker', message: 'too many', since: text(at('1T04:00')), ...hold }
    const held = (before: object, run: string) =>
      rest({ target: targetOf('Activation', { held: [before] }), runs: [latest(run)] }).fields['held']
    expect(held({ ...known, run: 'q', runs: 17 }, 'r')).toEqual([{ ...known, run: 'r', runs: 18 }])
    // Another look at the same Run counts it once.
    expect(held({ ...known, run: 'r', runs: 18 }, 'r')).toEqual([{ ...known, run: 'r', runs: 18 }])
  })

  test('which Runs go, and which plans stay: none whose slot is not written down yet', () => {
    const runs = ['1T04:00', '1T05:00', '1T06:00', '1T07:00', '1T09:00'].map((slot) => runOf(slot, slot, 'Succeeded'))
    const limits = { historyLimits: { successful: 1 } }
    const recorded = rest({
      target: targetOf('Activation', { lastScheduledTime: text(at('1T07:00')), planDigest: 'before' }, limits),
      runs,
    })
    expect(recorded.over.map(({ name }) => name)).toEqual(['1T06:00', '1T05:00', '1T04:00'])
    expect([...recorded.digests!]).toEqual(['sha256:plan', 'before', '1T07:00', '1T09:00'])
    const unchanged = rest({ target: targetOf('Activation', { planDigest: 'sha256:plan' }), runs: runs.slice(0, 2) })
    expect([unchanged.over, unchanged.digests]).toEqual([[], null])
  })
})
