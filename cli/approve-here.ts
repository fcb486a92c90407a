import { didYouMean } from './cluster/kind-name.ts'
import { exitCodes, type Io, UsageError } from './command.ts'
import { lookAround } from './look-around.ts'
import { progressLine } from './progress.ts'
import { compilePaths } from './sources.ts'
import { isWorkDirectory, type Whereabouts } from './whereabouts.ts'
import { openWorkDirectory } from './work-directory.ts'

type Asked = {
  readonly activation: string
  readonly segments: readonly string[]
  readonly isAll: boolean
  readonly force: boolean
  readonly paths: readonly string[]
}

/** Notes in a work directory that the next `convoke run` delivers these Segments at once, whatever the circuit breaker says. */
export async function approveHere(asked: Asked, where: Whereabouts, io: Io): Promise<number> {
  const { workdir } = where
  if (!isWorkDirectory(workdir)) throw new UsageError(`Nothing was run in \`${workdir ?? ''}\` yet.`)
  const { compilation } = compilePaths(asked.paths, io)
  const [name = '', namespace] = asked.activation.split('/').toReversed()
  const found = compilation.model.activations.filter(
    ({ resource }) => resource.name === name && (namespace === undefined || resource.namespace === namespace),
  )
  const [own, other] = found
  if (!own || other) {
    const names = compilation.model.activations.map(({ resource }) => resource.name)
    throw new UsageError(
      other
        ? `There are ${found.length} Activations \`${name}\`; name one as NAMESPACE/NAME.`
        : `There is no Activation \`${name}\` there.${await didYouMean(name, names)}`,
    )
  }
  const space = own.resource.namespace
  const at = io.now()
  const { runDocument } = await import('#views')
  const held = await lookAround(compilation, { where, at, isWhole: false }, io, progressLine(io), async (seen) => {
    const knowledge = seen?.knowledge ?? { stores: [], activations: [], gaps: [] }
    const { segments } = runDocument({ compilation, at, outcomes: [], notices: [], knowledge })
    return segments.filter((row) => row.activation === name && row.namespace === space && row.held !== null)
  })
  const approvable = held.map(({ segment }) => segment)
  const segments = asked.isAll ? approvable : [...new Set(asked.segments.map((each) => each.replace(/^.*\//, '')))]
  if (segments.length === 0) {
    io.err(`The circuit breaker holds nothing of ${name}.\n`)
    return exitCodes.fine
  }
  for (const segment of asked.force ? [] : segments)
    if (!approvable.includes(segment))
      throw new UsageError(
        `\`${segment}\` is not held. ${approvable.length === 0 ? `The circuit breaker holds nothing of ${name}.` : `Held: ${approvable.join(', ')}.`}${await didYouMean(segment, approvable)} --force approves it all the same.`,
      )
  using work = openWorkDirectory(workdir, io.now)
  const key = `Activation/${space}/${name}` as const
  const moment = at.toISOString()
  work.update((state) => ({
    ...state,
    targets: {
      ...state.targets,
      // With the time, so that the same approval can be given again.
      [key]: {
        ...state.targets[key],
        approve: segments.map((each) => `${each}@${moment}`).join(','),
        requestedAt: moment,
      },
    },
  }))
  io.out(
    `The next \`convoke run\` in this work directory delivers ${segments.join(', ')} of ${name}, whatever the circuit breaker says.\n`,
  )
  return exitCodes.fine
}
