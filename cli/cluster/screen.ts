import { oneLine } from '#compiler'
import { type Kind, kinds, type Resource, type ResourceByKind, type Run } from '#crds'
import { stepWords } from '#views'
import type { Io } from '../command.ts'
import type { Seen } from '../commands/status.ts'
import { lengthOf, relativeTo } from '../instants.ts'
import { type Paint, painterOf, wrapped } from '../paint.ts'
import { table } from '../table.ts'
import type { Attention } from './attention.ts'
import { isFinished, runsOf } from './resources.ts'
import { rowsOf, tableOf } from './tables.ts'

/** How many Runs are shown of a target that was asked for. */
const shownRuns = 5
/** How many lines of a message are shown where the resource was not asked for. */
const shownLines = 6

/** The whole answer of `status -o json`. */
export function statusDocument({ inventory, now, attention, place, wanted }: Seen): object {
  const resources = Object.fromEntries(
    sections({ inventory, wanted }).map(({ kind, resources }) => [kind, rowsOf(kind, resources, inventory, now)]),
  )
  return { context: place.context, namespace: place.namespace, at: now, attention, resources }
}

export function screenOf(seen: Seen, io: Pick<Io, 'program' | 'columns' | 'colour'>): string {
  const { inventory, now, attention, wanted, place } = seen
  const paint = painterOf(io)
  const where = place.namespace === null ? 'All namespaces' : `Namespace ${place.namespace}`
  const parts = [paint.dim(`${where}, context ${place.context}`)]
  const isNamed = wanted.some(({ name }) => name !== null)
  const shown = sections(seen)
  if (shown.length === 0)
    return `${parts[0]}\n\n${wanted.length > 0 ? 'There are none.' : `Nothing of Convoke is here.${place.namespace === null ? '' : ' -A looks in every namespace.'} \`${io.program} init\` writes a project to apply.`}\n`
  parts.push(
    attention.length === 0
      ? `${paint.green('✓')} Nothing needs attention.`
      : attention.map((each) => attentionText(each, seen, io, paint, isNamed)).join('\n'),
  )
  for (const { kind, resources } of shown)
    parts.push(tableOf(kind, resources, inventory, now, { paint, withNamespace: place.namespace === null }))
  for (const { kind, name } of wanted) {
    const named: readonly Resource[] = inventory[kind]
    for (const resource of named)
      if (resource.metadata.name === name) parts.push(...detailsOf(resource, seen, io, paint))
  }
  return `${parts.join('\n\n')}\n`
}

/** The kinds to show, each with its resources. Where no kind was asked for, only Runs at work are shown, and no Organizations. */
function sections({ inventory, wanted }: Pick<Seen, 'inventory' | 'wanted'>) {
  // The keys of a table of literals.
  return (Object.keys(kinds) as Kind[])
    .map((kind) => {
      const own = wanted.filter((each) => each.kind === kind)
      const all: readonly ResourceByKind[Kind][] = inventory[kind]
      const resources =
        wanted.length === 0
          ? all.filter((resource) =>
              resource.kind === 'Run' ? !isFinished(resource) : resource.kind !== 'Organization',
            )
          : all.filter(({ metadata }) => own.some(({ name }) => name === null || name === metadata.name))
      return { kind, resources }
    })
    .filter(({ resources }) => resources.length > 0)
}

function attentionText(
  { severity, resource, what, message, since, next }: Attention,
  { now, place }: Seen,
  io: Pick<Io, 'program' | 'columns'>,
  paint: Paint,
  isNamed: boolean,
): string {
  const mark = severity === 'error' ? paint.red('✗') : paint.yellow('!')
  const subject =
    resource === null
      ? ''
      : `${place.namespace === null ? `${resource.namespace} ` : ''}${paint.bold(`${resource.kind}/${resource.name}`)} `
  const age = since === null ? '' : paint.dim(` (${relativeTo(now, new Date(since))})`)
  const lines = message === '' ? [] : wrapped(oneLine(message), Math.min(io.columns, 120), '    ').split('\n')
  const cut = isNamed || lines.length <= shownLines ? lines : [...lines.slice(0, shownLines - 1), '    …']
  const namespace =
    resource === null || (place.isDefaultNamespace && place.namespace !== null) ? '' : ` -n ${resource.namespace}`
  const steps = next.map(
    (words) => `    ${paint.cyan(`→ ${io.program} ${words.join(' ')}${words[0] === 'explain' ? '' : namespace}`)}`,
  )
  return [`${mark} ${subject}${what}${age}`, ...cut, ...steps].join('\n')
}

function detailsOf(
  resource: Resource,
  { inventory, now }: Seen,
  io: Pick<Io, 'columns'>,
  paint: Paint,
): readonly string[] {
  const conditions = resource.status?.conditions ?? []
  const parts: string[] = []
  if (conditions.length > 0)
    parts.push(
      table(
        [`${resource.kind}/${resource.metadata.name}`, 'is', 'reason', 'since'],
        conditions.map(({ type, status, reason, lastTransitionTime }) => [
          type,
          status,
          reason,
          relativeTo(now, new Date(lastTransitionTime)),
        ]),
      ),
    )
  for (const { type, message } of conditions)
    if (message !== '') parts.push(`${paint.bold(type)}\n${wrapped(oneLine(message), Math.min(io.columns, 120), '  ')}`)
  if (resource.kind === 'Run') parts.push(...runTables(resource, now))
  if (resource.kind === 'Activation') {
    const { baselines = [], held = [] } = resource.status ?? {}
    const segments = [...new Set([...baselines, ...held].map(({ segment }) => segment))].sort()
    if (segments.length > 0)
      parts.push(
        table(
          ['Segment', 'delivered', 'by the Run', 'held'],
          segments.map((segment) => {
            const baseline = baselines.find((each) => each.segment === segment)
            return [
              segment,
              baseline ? relativeTo(now, new Date(baseline.acknowledgedAt)) : 'never',
              baseline?.run ?? '',
              held.find((each) => each.segment === segment)?.reason ?? '',
            ]
          }),
        ),
      )
  }
  const runs = runsOf(inventory, resource)
  if (runs.length > 0)
    parts.push(tableOf('Run', runs.slice(0, shownRuns), inventory, now, { paint, withNamespace: false }))
  return parts
}

/** What each step of a Run did, and what came of each Segment. */
export function runTables({ status }: Run, now: Date): readonly string[] {
  const { steps = [], segments = [] } = status ?? {}
  const parts: string[] = []
  if (steps.length > 0)
    parts.push(
      table(
        ['step', 'outcome', 'attempt', 'took', 'counts'],
        steps.map(({ name, outcome, attempt, startedAt, finishedAt, totals = {}, reason, message }) => [
          name,
          outcome?.toLowerCase() ?? 'running',
          attempt ?? null,
          startedAt === undefined
            ? ''
            : lengthOf((finishedAt === undefined ? now : new Date(finishedAt)).getTime() - Date.parse(startedAt)),
          message === undefined ? stepWords({ step: name, totals }) : `${reason ?? 'Failed'}: ${message}`,
        ]),
      ),
    )
  if (segments.length > 0)
    parts.push(
      table(
        ['Segment', 'members', 'realized', 'exited', 'delivery'],
        segments.map(({ segment, members, realized, exited, manifest, held, acknowledged, backfill, departed }) => [
          segment,
          members ?? null,
          realized ?? null,
          exited ?? null,
          held !== undefined
            ? `held: ${held}`
            : manifest === undefined
              ? 'no change'
              : [
                  acknowledged === true ? 'acknowledged' : 'not acknowledged',
                  ...(backfill === true ? ['all members'] : []),
                  ...(departed === true ? ['its last: it was deleted'] : []),
                ].join(', '),
        ]),
      ),
    )
  return parts
}
