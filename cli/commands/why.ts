import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Question } from '../cluster/why-job.ts'
import { type Command, choice, exitCodes, type Io, instant, text, UsageError, type Values } from '../command.ts'
import { clusterOptions } from '../kubernetes.ts'
import { progressLine } from '../progress.ts'
import { readConfig } from '../sources.ts'
import { neededVolumes, volumesOption, whereabouts } from '../whereabouts.ts'

export const command: Command = {
  summary: 'Why a person is, or is not, in a Segment: which conditions hold, and what was found',
  operands: ['SEGMENT', 'NOTHING', 'PATH'],
  usage: 'why SEGMENT PROFILE [PATH… --volumes DIR] [--at TIME]',
  description:
    'PROFILE is a value of the primary identity, or Namespace:VALUE of any; @FILE reads it from a file, where no history keeps it. With PATHs and\n' +
    '--volumes the data at hand are asked; without, those of the cluster, by a short-lived Job that mounts the volume of the store. Reads only.',
  options: {
    volumes: volumesOption,
    at: { type: 'string', value: 'TIME', help: 'evaluation instant (default: now)' },
    image: {
      type: 'string',
      value: 'IMAGE',
      help: "in the cluster: what the Job runs (default: as Convoke's newest Job)",
    },
    seal: { type: 'string', value: 'FILE', help: 'encrypt the answer for this public key (PEM), as that Job does' },
    anonymous: { type: 'boolean', help: 'not who it is: no id, no text, no time of day' },
    ...clusterOptions,
    output: { type: 'string', short: 'o', value: 'FORMAT', words: ['text', 'json'], help: 'text (default) or json' },
  },
  examples: [
    'convoke why gold-members C1 examples/minimal --volumes examples/minimal/volumes --at 2026-01-15T06:00:00Z',
    'convoke why quiet-buyers Email:ann@example.com -n retail',
    'convoke why lapsed-buyers C2 . --anonymous -o json',
  ],
  run: async ({ positionals, values, io }) => {
    const [segment, given, ...paths] = positionals
    if (segment === undefined || given === undefined) throw new UsageError('Name a Segment and a person.')
    const output = choice(values, 'output', ['text', 'json'])
    const question = {
      segment: segment.replace(/^.*\//, ''),
      who: personOf(given, io),
      at: instant(values, 'at') ?? io.now(),
    }
    const seal = text(values, 'seal')
    if (seal !== null) return sealedAnswer(question, paths, seal, values, io)
    const isThere = ['kubeconfig', 'context', 'image'].some((name) => values[name] !== undefined)
    const isHere = paths.length > 0 || text(values, 'volumes') !== null || (!isThere && readConfig(io).volumes !== null)
    const answer = isHere
      ? await answerHere(question, paths, values, io)
      : await (await import('../cluster/why-job.ts')).answerInCluster(question, values, io)
    if (answer === null) return exitCodes.findings
    const { answerText, withoutIdentity } = await import('../why.ts')
    const shown = values['anonymous'] === true ? withoutIdentity(answer) : answer
    io.out(output === 'json' ? `${JSON.stringify(shown, null, 2)}\n` : answerText(shown, io))
    return exitCodes.fine
  },
}

/** The answer, or why there is none, readable only with the question's key. */
async function sealedAnswer(question: Question, paths: readonly string[], seal: string, values: Values, io: Io) {
  const { sealed } = await import('../seal.ts')
  const key = readText(seal, io)
  const print = (answer: object): void => io.out(`${sealed(JSON.stringify(answer), key)}\n`)
  try {
    const answer = await answerHere(question, paths, values, {
      ...io,
      err: (error) => print({ error: error.trim().replace(/^convoke why: /, '') }),
    })
    if (answer === null) return exitCodes.findings
    print(answer)
    return exitCodes.fine
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    print({ error: error.message })
    return exitCodes.wrongUse
  }
}

/** null where the data could not be asked, which is printed. */
async function answerHere({ segment, who, at }: Question, paths: readonly string[], values: Values, io: Io) {
  const volumes = neededVolumes(whereabouts(values, io))
  const [{ compilePaths }, { answerOf }, { JobError }, { portsFor }] = await Promise.all([
    import('../sources.ts'),
    import('../why.ts'),
    import('#jobs'),
    import('../ports.ts'),
  ])
  const { compilation } = compilePaths(paths, io)
  const { segments } = compilation.model
  const namespace = text(values, 'namespace')
  const named = segments.filter(
    ({ resource }) => resource.name === segment && (namespace === null || resource.namespace === namespace),
  )
  const [found, other] = named
  if (!found || other) {
    const { didYouMean } = await import('../cluster/kind-name.ts')
    throw new UsageError(
      other
        ? `There are ${named.length} Segments \`${segment}\`; name one's namespace with --namespace: ${named.map(({ resource }) => resource.namespace).join(', ')}.`
        : `There is no Segment \`${segment}\` there.${await didYouMean(
            segment,
            segments.map(({ resource }) => resource.name),
          )}`,
    )
  }
  const line = progressLine(io)
  const places = {
    volumes,
    secrets: null,
    databases: new Map<string, string>(),
    scratchParent: null,
  }
  using ports = portsFor(places, io, line.show)
  try {
    return await answerOf(found, compilation, who, at, ports)
  } catch (error) {
    if (!(error instanceof JobError)) throw error
    io.err(`convoke why: ${error.message}\n`)
    return null
  }
}

function personOf(given: string, io: Io): string {
  return given.startsWith('@') ? readText(given.slice(1), io).trim() : given
}

function readText(file: string, io: Io): string {
  try {
    return readFileSync(resolve(io.cwd, file), 'utf8')
  } catch (error) {
    throw new UsageError(`\`${file}\` cannot be read: ${error instanceof Error ? error.message : String(error)}.`)
  }
}
