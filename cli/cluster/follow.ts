import { setTimeout as sleep } from 'node:timers/promises'
import type { Run } from '#crds'
import { exitCodes, type Io, UsageError } from '../command.ts'
import { lengthOf } from '../instants.ts'
import { type Cluster, inNamespace, pathOf } from '../kubernetes.ts'
import { progressLine } from '../progress.ts'
import { stepLine } from '../step-line.ts'
import { conditionOf, isFinished, stateOf } from './resources.ts'
import { runTables } from './screen.ts'

const pollMilliseconds = 500
/** A Run that nobody has begun after this is mentioned. */
const unseenSeconds = 20

export type Following = {
  readonly name: string
  /** The Run as it was when following began: steps that had ended by then are not told again. null: a new Run. */
  readonly before: Run | null
  /** The retry that is waited for, as its annotation convoke.dev/requestedAt; null: the first attempt. */
  readonly requestedAt: string | null
  /** null: without a limit. */
  readonly timeoutSeconds: number | null
}

/** Tells what a Run's steps do until it is finished. null: the time was over, or the user interrupted; the Run goes on. */
export async function follow(
  cluster: Cluster,
  { name, before, requestedAt, timeoutSeconds }: Following,
  io: Io,
): Promise<Run | null> {
  const line = progressLine(io)
  const told = new Set((before?.status?.steps ?? []).map(keyOf))
  const started = io.now().getTime()
  const waited = (): number => (io.now().getTime() - started) / 1000
  let lastWords = ''
  const say = (words: string): void => {
    if (words !== lastWords) line.say(words)
    lastWords = words
  }
  while (true) {
    const run = await cluster.get<Run>(pathOf('Run', cluster.namespace, name))
    if (run === null) throw new UsageError(`The Run \`${name}\` was deleted; nothing says how it would have ended.`)
    const isAnswered = requestedAt === null || run.status?.lastHandledRequestedAt === requestedAt
    if (isAnswered) {
      for (const step of run.status?.steps ?? []) {
        const { outcome, startedAt, finishedAt, totals = {}, reason, message } = step
        if (outcome === undefined || told.has(keyOf(step))) continue
        told.add(keyOf(step))
        line.say(
          stepLine({
            step: step.name,
            outcome,
            target: run.spec.target.name,
            seconds: (Date.parse(finishedAt ?? '') - Date.parse(startedAt ?? '')) / 1000 || 0,
            totals,
            error: outcome === 'Failed' ? [reason, message].filter(Boolean).join(': ') : null,
          }),
        )
      }
      if (isFinished(run)) {
        line.clear()
        if (
          before !== null &&
          run.status?.attempt === before.status?.attempt &&
          run.status?.finishedAt === before.status?.finishedAt
        )
          throw new UsageError(
            `The operator did not try \`${name}\` again: its plan is not there any more, or no step of it failed. \`${io.program} run ${run.spec.target.kind}/${run.spec.target.name}${inNamespace(cluster)}\` makes a new one.`,
          )
        return run
      }
    }
    const state = isAnswered ? stateOf(run) : 'unseen'
    if (state === 'pending') say(`· ${wordsOf(run)}`)
    else if (state === 'unseen' && waited() > unseenSeconds)
      say('! Nobody has taken it up yet: is the operator running, and does it watch this namespace?')
    if (io.signal.aborted || (timeoutSeconds !== null && waited() > timeoutSeconds)) {
      line.clear()
      io.err(
        `${io.signal.aborted ? 'Not waiting any longer' : `Not finished within ${lengthOf((timeoutSeconds ?? 0) * 1000)}`}; the Run goes on. \`${io.program} status Run/${name}${inNamespace(cluster)}\` shows it.\n`,
      )
      return null
    }
    line.show({
      step: run.status?.step ?? 'waiting',
      subject: name,
      done: Math.floor(waited()),
      total: null,
      unit: 's',
    })
    await sleep(pollMilliseconds, undefined, { signal: io.signal }).catch(() => undefined)
  }
}

/** How a Run ended, and the exit code for that. `place` is appended to commands of next steps. */
export function endOf(run: Run, place: string, io: Io): { readonly text: string; readonly code: number } {
  const { startedAt, finishedAt, steps = [] } = run.status ?? {}
  const took =
    startedAt === undefined || finishedAt === undefined
      ? ''
      : ` in ${lengthOf(Date.parse(finishedAt) - Date.parse(startedAt))}`
  const [, segments] = steps.length > 0 ? runTables(run, io.now()) : []
  const parts = segments === undefined ? [] : [segments]
  if (stateOf(run) === 'failed') {
    parts.push(
      [
        `✗ ${run.metadata.name} failed${took}: ${wordsOf(run)}`,
        `→ ${io.program} logs ${run.metadata.name}${place}`,
        `→ ${io.program} run --retry ${run.metadata.name} --wait${place}`,
      ].join('\n'),
    )
    return { text: `${parts.join('\n\n')}\n`, code: exitCodes.findings }
  }
  const held = (run.status?.segments ?? []).filter((segment) => segment.held !== undefined)
  parts.push(`✓ ${run.metadata.name} succeeded${took}.`)
  if (held.length > 0)
    parts.push(
      `! Held back: ${held.map(({ segment }) => segment).join(', ')}.\n→ ${io.program} approve ${run.spec.target.name} ${held.map(({ segment }) => segment).join(' ')}${place}`,
    )
  return { text: `${parts.join('\n\n')}\n`, code: exitCodes.fine }
}

/** Reason and message of the Run's condition. */
function wordsOf(run: Run): string {
  const succeeded = conditionOf(run, 'succeeded')
  return [succeeded?.reason, succeeded?.message].filter(Boolean).join(': ')
}

function keyOf({ name, attempt, finishedAt }: NonNullable<NonNullable<Run['status']>['steps']>[number]): string {
  return `${name}/${attempt}/${finishedAt}`
}
