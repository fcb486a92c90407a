import { resolve } from 'node:path'
import { renderText } from '#compiler'
import { type Command, choice, exitCodes, instant, text, texts, UsageError, type Values } from '../command.ts'
import { previewText } from '../preview-text.ts'
import { progressLine } from '../progress.ts'
import { compilePaths } from '../sources.ts'
import { stepCommand } from './step.ts'

const step = stepCommand('ingest')

/** The step of a Job; and a preview of it, which needs the resources as people write them. */
export const command: Command = {
  ...step,
  summary: `${step.summary}; with --preview, what it would find`,
  usage: `ingest --preview PATH… --volumes DIR [--dataset NAME] [-o text|json]
       convoke ${step.usage}`,
  operands: ['PATH'],
  description:
    '--preview reads only: the files of each Dataset, their columns and values, what the mapping makes of them, and whom the identities meet; all files anew, as if none were in yet.\nThe step is safe to kill and to repeat with the same files; its RunReport goes to standard output.',
  options: {
    preview: { type: 'boolean', help: 'say what is at the locations of the Datasets in PATH…; write nothing' },
    dataset: {
      type: 'string',
      multiple: true,
      value: 'NAME',
      help: 'of a preview: this Dataset only; may be given several times',
    },
    at: { type: 'string', value: 'TIME', help: 'of a preview: the instant of the ingest (default: now)' },
    output: {
      type: 'string',
      short: 'o',
      value: 'FORMAT',
      words: ['text', 'json'],
      help: 'of a preview: text (default) or json',
    },
    ...step.options,
  },
  examples: [
    'convoke ingest --preview examples/minimal --volumes examples/minimal/volumes',
    'convoke ingest --preview . --volumes .work/volumes --dataset orders -o json',
    ...step.examples,
  ],
  run: async (args) => {
    const { positionals, values, io } = args
    if (values['preview'] !== true) {
      const own = ['dataset', 'at', 'output'].find((name) => values[name] !== undefined)
      if (own !== undefined || positionals.length > 0)
        throw new UsageError(
          `${own === undefined ? 'Paths of resources go' : `--${own} goes`} with --preview; a step takes --plan and --run.`,
        )
      return step.run(args)
    }
    const output = choice(values, 'output', ['text', 'json'])
    refuseStepOptions(values)
    const volumes = text(values, 'volumes')
    if (volumes === null) throw new UsageError('--volumes DIR is missing.')
    const at = instant(values, 'at') ?? io.now()
    const { input, compilation } = compilePaths(positionals, io)
    const errors = compilation.diagnostics.filter(({ severity }) => severity === 'error')
    if (errors.length > 0) io.err(`${renderText(errors, input.sources, { colour: io.colour, width: io.columns })}\n`)
    const plans = compilation.plans.filter(({ ingest }) => ingest !== undefined)
    const wanted = texts(values, 'dataset')
    const known = plans.flatMap(({ ingest }) => ingest!.datasets.map(({ name }) => name)) // as filtered
    const missing = wanted.find((name) => !known.includes(name))
    if (missing !== undefined)
      throw new UsageError(`There is no Dataset \`${missing}\` there; there is ${known.join(', ') || 'none'}.`)
    if (known.length === 0) {
      if (errors.length > 0) return exitCodes.findings
      throw new UsageError('There is no Dataset of a ProfileStore there.')
    }
    const [{ JobError, previewDatasets }, { portsFor }] = await Promise.all([import('#jobs'), import('../ports.ts')])
    const line = progressLine(io)
    const secrets = text(values, 'secrets')
    const places = {
      volumes: resolve(io.cwd, volumes),
      secrets: secrets === null ? null : resolve(io.cwd, secrets),
      databases: new Map<string, string>(),
      scratchParent: null,
    }
    using ports = portsFor(places, io, line.show)
    try {
      const stores = []
      for (const { store, ingest } of plans) {
        const names = wanted.length === 0 ? null : wanted
        const datasets = await previewDatasets(store!, ingest!, names, at, ports) // a plan that ingests has a store
        if (datasets.length > 0) stores.push({ store: store!.name, datasets })
      }
      line.clear()
      if (output === 'json') io.out(`${JSON.stringify({ at, stores }, null, 2)}\n`)
      else io.out(previewText(stores, io))
      return errors.length > 0 ? exitCodes.findings : exitCodes.fine
    } catch (error) {
      line.clear()
      if (!(error instanceof JobError)) throw error
      io.err(`convoke ingest: ${error.message}\n`)
      return exitCodes.findings
    }
  },
}

function refuseStepOptions(values: Values): void {
  const given = ['plan', 'run', 'termination-log', 'database'].find((name) => values[name] !== undefined)
  if (given !== undefined) throw new UsageError(`--preview takes resources, not --${given}.`)
}
