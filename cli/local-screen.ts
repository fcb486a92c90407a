// The state of a work directory's targets, as the cluster's screen shows it: what is due, what is held, how the last run went.
import { type Compilation, nextSlot, oneLine, type Scheduled, schedulesOf } from '#compiler'
import { annotations } from '#crds'
import { conditionOf, isFinished, type RunRecord, timeFields } from '#protocol'
import type { Io } from './command.ts'
import { relativeTo } from './instants.ts'
import { painterOf, wrapped } from './paint.ts'
import { table } from './table.ts'
import type { TargetKey, TargetState, WorkState } from './work-directory.ts'

type Row = {
  readonly target: string
  readonly state: 'suspended' | 'waits' | 'due' | 'done'
  /** The slot that is due, or the next one; null: there is none. */
  readonly slot: Date | null
  readonly last: RunRecord | null
}

/** Shows whether a slot has come since the last one that was run; what is due is decided by `convoke run`. */
export function localScreen(
  compilation: Compilation,
  state: WorkState,
  { now, place }: { readonly now: Date; readonly place: string },
  io: Pick<Io, 'program' | 'columns' | 'colour'>,
): string {
  const paint = painterOf(io)
  const { lookedAt } = state
  // A store without a Streaming Segment has no streaming evaluations.
  const scheduled = schedulesOf(compilation.model).filter(
    ({ resource, evaluation }) =>
      evaluation !== 'Streaming' ||
      compilation.plans.some(
        ({ target, evaluate }) =>
          evaluate?.streaming && target.namespace === resource.namespace && target.name === resource.name,
      ),
  )
  const errors = compilation.diagnostics.filter(({ severity }) => severity === 'error').length
  const step = (words: string): string => `    ${paint.cyan(`→ ${io.program} ${words}`)}`
  const said = (text: string): string => wrapped(oneLine(text), Math.min(io.columns, 120), '    ')
  const parts = [
    paint.dim(
      `Work directory ${place}, ${lookedAt === null ? 'where nothing was run yet' : `run last for ${lookedAt} (${relativeTo(now, new Date(lookedAt))})`}`,
    ),
  ]
  if (scheduled.length === 0)
    return `${parts[0]}\n\nNothing there has a schedule. \`${io.program} init\` writes a project that runs.\n`
  const rows = scheduled.map((each) => rowOf(each, state, now))
  const attention = [
    ...(errors > 0
      ? [
          `${paint.red('✗')} The resources have ${errors === 1 ? 'an error' : `${errors} errors`}: nothing is run.\n${step('check')}`,
        ]
      : []),
    ...scheduled.flatMap((each) => attentionOf(each, state)),
  ]
  parts.push(attention.length === 0 ? `${paint.green('✓')} Nothing needs attention.` : attention.join('\n'))
  parts.push(
    table(
      ['target', 'is', 'slot', 'last run', 'for', 'outcome'],
      rows.map(({ target, state: is, slot, last }) => [
        target,
        is === 'done' ? 'up to date' : is,
        slot === null ? '' : `${is === 'due' || is === 'waits' ? '' : 'next '}${relativeTo(now, slot)}`,
        last?.status.startedAt === undefined ? 'never' : relativeTo(now, new Date(last.status.startedAt)),
        last?.spec.scheduledTime ?? '',
        last === null ? '' : outcomeOf(last),
      ]),
    ),
  )
  if (rows.some(({ state: is }) => is === 'due')) parts.push(step(`run --workdir ${place}`).replace(/^ +/, ''))
  return `${parts.join('\n\n')}\n`

  function attentionOf({ resource, evaluation }: Scheduled, { targets }: WorkState): readonly string[] {
    const last = lastRun(resource, evaluation, state)
    const { conditions = [], missedSlots = 0, lastMissedTime } = targets[keyOf(resource)] ?? {}
    const subject = paint.bold(`${resource.kind}/${resource.name}`)
    const succeeded = last && conditionOf(last.status.conditions, 'Succeeded')
    const held = (last?.status.segments ?? []).filter((segment) => segment.held !== undefined)
    return [
      ...(succeeded?.status === 'False'
        ? [
            `${paint.red('✗')} ${subject}: its last run failed (${succeeded.reason})\n${said(succeeded.message)}\n${step(`run --workdir ${place}`)}`,
          ]
        : []),
      ...held.map(
        ({ segment, held: why }) =>
          `${paint.yellow('!')} ${subject} holds ${paint.bold(segment)}\n${said(why ?? '')}\n${step(`approve ${resource.name} ${segment} --workdir ${place}`)}`,
      ),
      ...conditions
        .filter(({ status, message }) => status === 'False' && message !== '')
        .map(({ type, message }) => `${paint.yellow('!')} ${subject}: ${type} is not so\n${said(message)}`),
      ...(missedSlots > 0 && evaluation !== 'Streaming'
        ? [
            paint.dim(
              `• ${resource.kind}/${resource.name}: ${missedSlots} ${missedSlots === 1 ? 'slot was' : 'slots were'} not run while nobody ran it${lastMissedTime === undefined ? '' : `, the last one of ${lastMissedTime}`}`,
            ),
          ]
        : []),
    ]
  }
}

function rowOf({ resource, schedule, evaluation }: Scheduled, state: WorkState, now: Date): Row {
  const memory: TargetState = state.targets[keyOf(resource)] ?? {}
  const target = `${resource.kind}/${resource.name}${evaluation === null ? '' : ` ${evaluation}`}`
  const last = lastRun(resource, evaluation, state)
  if (
    resource.metadata.annotations?.[annotations.suspend] === 'true' ||
    (resource.kind === 'Activation' && resource.spec.suspend)
  )
    return { target, state: 'suspended', slot: null, last }
  if (memory.waitsFor !== undefined) return { target, state: 'waits', slot: new Date(memory.waitsFor), last }
  const slot = memory[timeFields[evaluation ?? 'none'].last]
  // Any evaluation covers the streaming slots before it.
  const before =
    evaluation === 'Streaming'
      ? [slot, memory.evaluatedAt]
          .flatMap((each) => each ?? [])
          .sort()
          .at(-1)
      : slot
  const next = nextSlot(schedule, before === undefined ? new Date(now.getTime() - lookBack) : new Date(before))
  const isLeft = last !== null && !isFinished(last)
  if (isLeft || (next !== null && next <= now))
    return { target, state: 'due', slot: next !== null && next <= now ? next : null, last }
  return { target, state: 'done', slot: next, last }
}

/** For a target that was never run: how far back a slot counts as due. */
const lookBack = 7 * 86_400_000

function lastRun(
  { kind, namespace, name }: Scheduled['resource'],
  evaluation: Scheduled['evaluation'],
  { runs }: WorkState,
): RunRecord | null {
  const own = Object.entries(runs).flatMap(([place, run]) => {
    const { target, evaluation: of = null } = run.spec
    const isOwn = place.split('/')[0] === namespace && target.kind === kind && target.name === name
    return isOwn && of === (kind === 'ProfileStore' ? evaluation : null) ? [run] : []
  })
  const startOf = ({ status }: RunRecord): string => status.startedAt ?? ''
  return own.reduce<RunRecord | null>(
    (last, run) => (last === null || startOf(run) >= startOf(last) ? run : last),
    null,
  )
}

function outcomeOf(run: RunRecord): string {
  if (!isFinished(run)) return `not finished${run.status.step === undefined ? '' : `, at ${run.status.step}`}`
  const condition = conditionOf(run.status.conditions, 'Succeeded')
  return condition?.status === 'True' ? 'succeeded' : (condition?.reason ?? 'failed').toLowerCase()
}

function keyOf({ kind, namespace, name }: Scheduled['resource']): TargetKey {
  return `${kind}/${namespace}/${name}`
}
