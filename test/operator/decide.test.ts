// What a pass over a Run does, by what is known of it: decisions alone, without an API server.
import { describe, expect, test } from 'vitest'
import type { ConditionReason, JobPlan, RunSpec, RunStatus } from '#crds'
import { stepBegun, succeededFields } from '#protocol'
import type { Definition } from '../../operator/definition.ts'
import type { JobState } from '../../operator/job-state.ts'
import { decide } from '../../operator/run/decide.ts'
import type { Act, Far, Near, PodsSay, Run, Target } from '../../operator/run/known.ts'
import { reportOf } from './player.ts'

const at = (time: string): number => Date.parse(`2026-12-01T${time}:00Z`)
const now = at('06:00')
const plan = {
  plan: {
    digest: 'sha256:plan',
    target: { name: 'offers' },
    export: { segments: [{ name: 'gold' }] },
    import: {},
  } as unknown as JobPlan,
  parts: ['plan-1'],
}

function runOf(name: string, spec: Partial<RunSpec> = {}, status: RunStatus = {}): Run {
  const definition = {
    apiVersion: 'convoke.dev/v1alpha1',
    kind: 'Run',
    metadata: { name, namespace: 'shop', ownerReferences: [{ uid: 'act', kind: 'Activation', name: 'offers' }] },
    spec: {
      target: { kind: 'Activation', name: 'offers', uid: 'act' },
      scheduledTime: '2026-12-01T06:00:00Z',
      trigger: 'Schedule',
      planDigest: 'sha256:plan',
      ...spec,
    },
  } as Definition<'Run'>
  return {
    kind: 'Run',
    namespace: 'shop',
    name,
    uid: `uid of ${name}`,
    resourceVersion: '7',
    generation: 1,
    definition,
    status,
  }
}

function targetOf(spec: object = {}, uid = 'act'): Target {
  const definition = { kind: 'Activation', metadata: { name: 'offers' }, spec: { schedule: { every: '6h' }, ...spec } }
  return {
    kind: 'Activation',
    namespace: 'shop',
    name: 'offers',
    uid,
    generation: 1,
    definition,
    status: { planDigest: 'sha256:plan' },
  } as unknown as Target
}

const fresh = runOf('r')

/** At work since 05:00, in its export unless it says otherwise. */
function working(step: 'export' | 'import' = 'export', more: RunStatus = {}, spec: Partial<RunSpec> = {}): Run {
  const before = { name: 'r', spec: fresh.definition.spec, status: {} }
  const status = {
    planDigest: 'sha256:plan',
    now: '2026-12-01T06:00:00Z',
    startedAt: '2026-12-01T05:00:00Z',
    activatedTime: '2026-12-01T05:00:00Z',
  }
  return runOf('r', spec, { ...status, ...stepBegun(before, step, 1, { nowMs: at('05:00'), generation: 1 }), ...more })
}

function jobOf(more: Partial<JobState> = {}): JobState {
  return {
    namespace: 'shop',
    name: 'r-export',
    uid: 'job',
    resourceVersion: '1',
    run: 'r',
    owner: 'uid of r',
    deleting: false,
    end: null,
    hasTtl: false,
    isSuspended: false,
    isReady: false,
    ...more,
  }
}

const complete = { kind: 'Complete', reason: 'CompletionsReached', message: '' } as const
const failed = { kind: 'Failed', reason: 'PodFailurePolicy', message: '' } as const

function nearOf(more: Partial<Near> = {}): Near {
  return {
    run: fresh,
    target: targetOf(),
    siblings: [],
    jobs: [],
    isCompiled: true,
    floorMs: 0,
    hold: null,
    holder: null,
    replacement: null,
    jobSeconds: 3600,
    laterBegun: null,
    ...more,
  }
}

function farOf(more: Partial<Far> = {}): Far {
  return { isTargetThere: true, isPlanBehind: false, plan, missingClaim: null, pods: null, reprint: null, ...more }
}

function podsOf(more: Partial<PodsSay> = {}): PodsSay {
  return { outcome: null, waiting: null, evictions: 0, evicted: null, ...more }
}

const work = {
  step: 'export',
  input: { run: 'r', scheduledTime: '2026-12-01T06:00:00Z', now: '2026-12-01T06:00:00Z', trigger: 'Schedule' },
} as const
const gold = { segment: 'gold', members: 1, manifest: 'gold.json' }
const reported = (more: object = {}, details: readonly object[] | null = [gold]) =>
  ({ kind: 'reported', report: reportOf(work, [gold], more), details }) as NonNullable<PodsSay['outcome']>
const silent = {
  kind: 'silent',
  reason: 'OOMKilled',
  message: 'The Pod ended with exit code 137 and no report.',
} as const
const error = { outcome: 'Failed', error: { reason: 'LocationUnavailable', message: 'No answer.', retryable: true } }
const final = { outcome: 'Failed', error: { reason: 'DatabaseRefused', message: 'No table.', retryable: false } }
const finishedRun = (reason: ConditionReason, more: RunStatus = {}, annotation?: string): Run => {
  const run = working('export', more)
  const status = {
    ...run.status,
    finishedAt: '2026-12-01T05:30:00Z',
    ...succeededFields(run, reason === 'Succeeded' ? 'True' : 'False', reason, 'So it was.', {
      nowMs: now,
      generation: 1,
    }),
  }
  const metadata = {
    ...run.definition.metadata,
    ...(annotation && { annotations: { 'convoke.dev/requestedAt': annotation } }),
  }
  return { ...run, status, definition: { ...run.definition, metadata } }
}
const failedEntry = {
  name: 'export',
  job: 'r-export',
  attempt: 1,
  outcome: 'Failed',
  reason: 'LocationUnavailable',
  message: 'No answer.',
} as const
const retrying = (retryTime: string, spec: Partial<RunSpec> = {}) =>
  working('export', { steps: [failedEntry], retryTime }, spec)
const waitingFor = (reason: ConditionReason, message: string, step: 'export' | 'import' = 'export') => {
  const run = working(step)
  return {
    ...run,
    status: {
      ...run.status,
      ...succeededFields(run, 'Unknown', reason, message, { nowMs: at('05:01'), generation: 1 }),
    },
  }
}

/** `write Running: export is running.`, `start r-export`, … */
function told(each: Act): string {
  switch (each.do) {
    case 'write': {
      const { conditions, attempt, retryTime } = each.fields as RunStatus
      const said = conditions?.find(({ type }) => type === 'Succeeded')
      const what = said
        ? `${said.status} ${said.reason}${said.message === '' ? '' : `: ${said.message}`}`
        : JSON.stringify(each.fields)
      return `write ${what}${attempt !== undefined && attempt > 1 ? ` (attempt ${attempt})` : ''}${retryTime === undefined ? '' : ` (again ${retryTime.slice(11, 16)})`}`
    }
    case 'start':
      return `start ${each.entry.job}${each.reprint ? ' report' : ''}`
    case 'reserve':
      return `reserve${each.activatedMs === null ? '' : ` ${new Date(each.activatedMs).toISOString().slice(11, 16)}`}`
    case 'settle':
      return `settle ${each.succeeded ? 'good' : 'bad'} ${(each.status.segments ?? []).map(({ segment, acknowledged }) => `${segment} ${acknowledged}`)}`.trim()
    case 'event':
      return `event ${each.event.reason}`
    case 'end':
    case 'expire':
      return `${each.do} ${each.job.name}`
    default:
      return each.do
  }
}

type Row = readonly [
  what: string,
  near: Partial<Near>,
  far: Partial<Far> | null,
  acts: readonly string[],
  result: number | 'done' | 'behind' | 'look',
]

function check(rows: readonly Row[]): void {
  test.each(rows)('%s', (_, near, far, acts, result) => {
    const decision = decide(nearOf(near), far === null ? null : farOf(far), now)
    if (!('acts' in decision)) return expect([[], 'look']).toEqual([acts, result])
    const quiet = decision.acts.filter((each) => !['log', 'measure'].includes(each.do))
    const { result: is } = decision
    expect([quiet.map(told), is.kind === 'again' ? is.afterMs : is.kind]).toEqual([acts, result])
  })
}

const running = 'write Unknown Running: export is running.'
const sibling = (name: string, time: string, more: Partial<RunSpec> = {}, status: RunStatus = {}) =>
  runOf(name, { scheduledTime: `2026-12-01T${time}:00Z`, ...more }, status)

describe('a Run that has not begun', () => {
  check([
    ['begins', {}, {}, ['reserve 06:00', 'remember', running, 'start r-export'], 20_000],
    [
      'begins late, and counts from then',
      { run: runOf('r', { scheduledTime: '2026-12-01T05:00:00Z' }) },
      {},
      ['reserve 06:00', 'remember', running, 'start r-export'],
      20_000,
    ],
    ['asks for its plan first', {}, null, [], 'look'],
    ['asks for a target that no copy shows', { target: null }, null, [], 'look'],
    ['whose target is there all the same is looked at again', { target: null }, {}, [], 'behind'],
    [
      'whose target is gone ends',
      { target: null },
      { isTargetThere: false },
      ['write False TargetGone: There is no Activation offers.', 'letGo'],
      'done',
    ],
    [
      'whose target was made anew ends',
      { target: targetOf({}, 'other') },
      null,
      ['write False TargetGone: The Activation offers was made anew since.', 'event RunFailed', 'letGo'],
      'done',
    ],
    ['waits for the compiler', { isCompiled: false }, null, [], 200],
    [
      'becomes its target’s',
      { run: { ...fresh, definition: { ...fresh.definition, metadata: { name: 'r' } } } },
      null,
      ['adopt'],
      'done',
    ],
    [
      'gives way to a later slot',
      { siblings: [sibling('later', '12:00')] },
      null,
      [
        'write False Replaced: It had not begun when later was due, which does its work too.',
        'event RunReplaced',
        'letGo',
      ],
      'done',
    ],
    [
      'gives way to no Run by hand',
      { siblings: [sibling('hand', '12:00', { trigger: 'Manual' })] },
      {},
      ['reserve 06:00', 'remember', running, 'start r-export'],
      20_000,
    ],
    [
      'is given up after its deadline',
      { run: runOf('r', { scheduledTime: '2026-12-01T05:00:00Z' }), target: targetOf({ startingDeadlineSeconds: 60 }) },
      null,
      [
        'write False DeadlineExceeded: It could not begin within 60 s of its time (startingDeadlineSeconds).',
        'event RunFailed',
        'letGo',
      ],
      'done',
    ],
    ['waits for the copy of a change', {}, { isPlanBehind: true }, [], 'behind'],
    [
      'waits for a plan',
      { run: runOf('r', { planDigest: undefined as never }), target: { ...targetOf(), status: {} } as Target },
      { plan: null },
      ['write Unknown WaitingForDependency: The Activation offers has no plan: see its conditions.'],
      15_000,
    ],
    [
      'whose plan is gone ends',
      {},
      { plan: null },
      [
        'write False Failed: Its plan sha256:plan… is not there any more. Run offers again.',
        'event RunFailed',
        'letGo',
      ],
      'done',
    ],
    [
      'waits for an earlier one',
      { siblings: [sibling('a', '05:00')] },
      {},
      ['write Unknown Pending: Waits for a.'],
      15_000,
    ],
    [
      'does not wait for one that waits for something of its own',
      {
        siblings: [
          sibling(
            'a',
            '05:00',
            {},
            {
              conditions: [
                {
                  type: 'Succeeded',
                  status: 'Unknown',
                  reason: 'MissingVolume',
                  message: '',
                  lastTransitionTime: '2026-12-01T05:00:00Z',
                },
              ],
            },
          ),
        ],
      },
      {},
      ['reserve 06:00', 'remember', running, 'start r-export'],
      20_000,
    ],
    [
      'waits for a volume',
      {},
      { missingClaim: 'data' },
      [
        'write Unknown MissingVolume: There is no PersistentVolumeClaim data in namespace shop. Create it; the Run begins then.',
      ],
      15_000,
    ],
    [
      'waits while the data of its store is not as expected, and tells its target',
      { hold: 'Too few rows.', floorMs: at('06:30') },
      {},
      ['write Unknown ActivationsHeld: Too few rows.', 'event ActivationsHeld'],
      20_000,
    ],
    [
      'and says it once',
      {
        run: {
          ...fresh,
          status: waitingFor('ActivationsHeld', 'Too few rows.').status.conditions
            ? { conditions: waitingFor('ActivationsHeld', 'Too few rows.').status.conditions! }
            : {},
        },
        hold: 'Too few rows.',
      },
      {},
      ['write Unknown ActivationsHeld: Too few rows.'],
      20_000,
    ],
    [
      'keeps its distance',
      { floorMs: at('06:30') },
      {},
      [
        expect.stringMatching(
          /^write Unknown Pending: Waits until 2026-12-01T06:30:00Z: no Segment/,
        ) as unknown as string,
      ],
      1_800_000,
    ],
    [
      'waits for who has what it needs',
      { holder: 'Run/shop/other' },
      {},
      ['write Unknown Pending: Waits for other.'],
      15_000,
    ],
  ])
})

describe('a Run at work', () => {
  const inExport = { run: working() }
  check([
    ['takes what is its own, after a restart too', inExport, null, [], 'look'],
    ['waits for the compiler', { ...inExport, isCompiled: false }, null, [], 200],
    [
      'whose plan is gone ends',
      inExport,
      { plan: null },
      [
        'reserve 05:00',
        'settle bad',
        'write False Failed: Its plan sha256:plan… is not there any more. Run offers again.',
        'event RunFailed',
        'letGo',
      ],
      'done',
    ],
    ['whose Job is not there makes it', inExport, {}, ['reserve 05:00', 'start r-export'], 20_000],
    ['says that it works', { ...inExport, jobs: [jobOf({ isReady: true })] }, {}, ['reserve 05:00', running], 'done'],
    [
      'waits for a Job that is being deleted',
      { ...inExport, jobs: [jobOf({ deleting: true })] },
      {},
      ['reserve 05:00'],
      'done',
    ],
    [
      'puts back what its Pod waits for',
      { ...inExport, jobs: [jobOf()] },
      { pods: podsOf() },
      ['reserve 05:00', 'restore'],
      20_000,
    ],
    [
      'says why its Pod does not start, to its target as well',
      { ...inExport, jobs: [jobOf()] },
      { pods: podsOf({ waiting: 'ImagePullBackOff: no such image' }) },
      [
        'reserve 05:00',
        'restore',
        'write Unknown PodPending: export waits for its Pod: ImagePullBackOff: no such image',
        'event PodPending',
      ],
      20_000,
    ],
    [
      'and says it once',
      { run: waitingFor('PodPending', 'export waits for its Pod: x'), jobs: [jobOf()] },
      { pods: podsOf({ waiting: 'x', evictions: 2 }) },
      [
        'reserve 05:00',
        'restore',
        'write Unknown PodPending: export waits for its Pod: x It was taken from its node 2 times.',
      ],
      20_000,
    ],
    [
      'says that its Job is queued',
      { ...inExport, jobs: [jobOf({ isSuspended: true })] },
      {},
      [
        'reserve 05:00',
        'write Unknown Queued: export waits in a queue: its Job is suspended until whoever did that lets it go on.',
        'event Queued',
      ],
      20_000,
    ],
    [
      'goes on to its next step',
      { ...inExport, jobs: [jobOf({ end: complete })] },
      { pods: podsOf({ outcome: reported() }) },
      ['reserve 05:00', 'tellCounts', 'write Unknown Running: import is running.', 'start r-import'],
      20_000,
    ],
    [
      'takes the report though a container beside it works on',
      { ...inExport, jobs: [jobOf()] },
      { pods: podsOf({ outcome: reported() }) },
      ['reserve 05:00', 'tellCounts', 'write Unknown Running: import is running.', 'start r-import', 'end r-export'],
      20_000,
    ],
    [
      'is tried again after what may pass',
      { ...inExport, jobs: [jobOf({ end: failed })] },
      { pods: podsOf({ outcome: reported(error, []) }) },
      [
        'reserve 05:00',
        'tellCounts',
        'write Unknown Failed: Attempt 1 of export failed (LocationUnavailable): No answer. Tried again at 2026-12-01T06:01:00Z. (again 06:01)',
        'event RunFailing',
      ],
      60_000,
    ],
    [
      'is not tried again after what does not pass',
      { ...inExport, jobs: [jobOf({ end: failed })] },
      { pods: podsOf({ outcome: reported(final, []) }) },
      [
        'reserve 05:00',
        'tellCounts',
        'settle bad',
        'write False DatabaseRefused: No table.',
        'event RunFailed',
        'letGo',
      ],
      'done',
    ],
    [
      'nor where its target says so',
      { ...inExport, target: targetOf({ retry: { limit: 0 } }), jobs: [jobOf({ end: failed })] },
      { pods: podsOf({ outcome: silent }) },
      [
        'reserve 05:00',
        'settle bad',
        'write False OOMKilled: The Pod ended with exit code 137 and no report.',
        'event RunFailed',
        'letGo',
      ],
      'done',
    ],
    [
      'whose Pod is evicted again and again fails',
      { ...inExport, target: targetOf({ retry: { limit: 0 } }), jobs: [jobOf()] },
      { pods: podsOf({ evictions: 4, evicted: 'The node was low on ephemeral-storage.' }) },
      [
        'reserve 05:00',
        'settle bad',
        'write False Evicted: Its Pod was taken from its node 4 times: The node was low on ephemeral-storage. Requests in the podTemplate keep for a Pod what it needs.',
        'event RunFailed',
        'letGo',
        'end r-export',
      ],
      'done',
    ],
    [
      'that took too long keeps the reason',
      {
        run: waitingFor('PodPending', 'export waits for its Pod: must specify limits.cpu'),
        target: targetOf({ retry: { limit: 0 } }),
        jobs: [jobOf({ end: { ...failed, reason: 'DeadlineExceeded' } })],
      },
      {
        pods: podsOf({ outcome: { kind: 'silent', reason: 'NoPod', message: 'No Pod of the Job has said anything.' } }),
      },
      [
        'reserve 05:00',
        'settle bad',
        'write False DeadlineExceeded: The step took longer than 3600 s. export waits for its Pod: must specify limits.cpu',
        'event RunFailed',
        'letGo',
      ],
      'done',
    ],
    [
      'whose log is lost has its report read',
      { ...inExport, jobs: [jobOf({ end: complete })] },
      { pods: podsOf({ outcome: reported({ reportPath: 'r.json' }, null) }) },
      ['reserve 05:00', 'start r-export report'],
      20_000,
    ],
    [
      'and says what it waits for',
      { ...inExport, jobs: [jobOf({ end: complete }), jobOf({ name: 'r-export-report' })] },
      { pods: podsOf({ outcome: reported({ reportPath: 'r.json' }, null) }) },
      [
        'reserve 05:00',
        'write Unknown Running: What export said is lost; its report is read from the store by r-export-report.',
      ],
      20_000,
    ],
    [
      'and goes on by what was read',
      { ...inExport, jobs: [jobOf({ end: complete }), jobOf({ name: 'r-export-report', end: complete })] },
      { pods: podsOf({ outcome: reported({ reportPath: 'r.json' }, null) }), reprint: reported() },
      ['reserve 05:00', 'tellCounts', 'write Unknown Running: import is running.', 'start r-import'],
      20_000,
    ],
    [
      'or is done again',
      {
        ...inExport,
        target: targetOf({ retry: { limit: 1, backoff: '30s' } }),
        jobs: [jobOf({ end: complete }), jobOf({ name: 'r-export-report', end: failed })],
      },
      { pods: podsOf({ outcome: reported({ reportPath: 'r.json' }, null) }), reprint: silent },
      [
        'reserve 05:00',
        'write Unknown Failed: Attempt 1 of export failed (ReportLost): The step succeeded, but what it did per Segment is lost. Tried again at 2026-12-01T06:00:30Z. (again 06:00)',
        'event RunFailing',
      ],
      30_000,
    ],
    [
      'whose Job was refused for too long fails',
      {
        run: waitingFor('JobRefused', 'export cannot begin: the API server refuses its Job: no'),
        target: targetOf({ retry: { limit: 0 } }),
        jobSeconds: 60,
      },
      {},
      [
        'reserve 05:00',
        'settle bad',
        'write False JobRefused: export cannot begin: the API server refuses its Job: no',
        'event RunFailed',
        'letGo',
      ],
      'done',
    ],
    [
      'ends its Job first where it is replaced',
      { ...inExport, jobs: [jobOf()], replacement: sibling('next', '07:00') },
      {},
      ['reserve 05:00', 'end r-export'],
      'done',
    ],
    [
      'and then itself',
      { ...inExport, replacement: sibling('next', '07:00') },
      {},
      [
        'reserve 05:00',
        'settle bad',
        'write False Replaced: next took its place (concurrencyPolicy: Replace).',
        'event RunReplaced',
        'letGo',
      ],
      'done',
    ],
    [
      'is not replaced when it has just done something',
      { ...inExport, jobs: [jobOf({ end: complete })], replacement: sibling('next', '07:00') },
      { pods: podsOf({ outcome: reported() }) },
      ['reserve 05:00', 'tellCounts', 'write Unknown Running: import is running.', 'start r-import'],
      20_000,
    ],
  ])
})

describe('a Run that failed and is tried again', () => {
  check([
    ['waits for its time', { run: retrying('2026-12-01T06:02:00Z') }, {}, ['reserve 05:00'], 120_000],
    [
      'makes another attempt',
      { run: retrying('2026-12-01T06:00:00Z') },
      {},
      ['reserve 05:00', 'write Unknown Running: export is running, attempt 2. (attempt 2)', 'start r-export-2'],
      20_000,
    ],
    [
      'gives way to the next slot',
      { run: retrying('2026-12-01T06:02:00Z'), siblings: [sibling('next', '12:00')] },
      {},
      [
        'reserve 05:00',
        'settle bad',
        'write False LocationUnavailable: No answer. next is due and does its work too.',
        'event RunFailed',
        'letGo',
      ],
      'done',
    ],
    [
      'ends with its deadline',
      {
        run: retrying('2026-12-01T06:02:00Z', { scheduledTime: '2026-12-01T05:00:00Z' }),
        target: targetOf({ startingDeadlineSeconds: 600 }),
      },
      {},
      [
        'reserve 05:00',
        'settle bad',
        'write False LocationUnavailable: No answer. 600 s have passed since its time (startingDeadlineSeconds).',
        'event RunFailed',
        'letGo',
      ],
      'done',
    ],
  ])
})

describe('a Run that is finished', () => {
  const asked = finishedRun('LocationUnavailable', { steps: [failedEntry] }, 'once more')
  check([
    ['gives back what it had', { run: finishedRun('Succeeded') }, null, ['letGo'], 'done'],
    [
      'lets its Jobs go after a while',
      {
        run: finishedRun('Succeeded'),
        jobs: [jobOf({ end: complete }), jobOf({ name: 'b', end: failed, hasTtl: true }), jobOf({ name: 'c' })],
      },
      null,
      ['letGo', 'expire r-export', 'end c'],
      'done',
    ],
    ['asks for its plan where somebody wants another attempt', { run: asked }, null, [], 'look'],
    [
      'makes it',
      { run: asked },
      {},
      [
        'reserve 06:00',
        'remember',
        'write Unknown Running: export is running, attempt 2. (attempt 2)',
        'start r-export-2',
      ],
      20_000,
    ],
    ['keeps its distance', { run: asked, floorMs: at('06:10') }, {}, [], 600_000],
    ['waits for others', { run: asked, holder: 'Run/shop/x' }, {}, [], 15_000],
    [
      'makes none where nothing failed',
      { run: finishedRun('Succeeded', {}, 'again') },
      null,
      ['write {"lastHandledRequestedAt":"again"}', 'event NothingToRetry'],
      'done',
    ],
    [
      'makes none after a later one',
      { run: asked, laterBegun: 'later' },
      null,
      ['write {"lastHandledRequestedAt":"once more"}', 'event Outdated'],
      'done',
    ],
    [
      'makes none without its plan',
      { run: asked },
      { plan: null },
      ['write {"lastHandledRequestedAt":"once more"}', 'event PlanGone'],
      'done',
    ],
  ])
})
