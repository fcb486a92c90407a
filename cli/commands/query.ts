import { resolve } from 'node:path'
import { expressionQuery, renderText } from '#compiler'
import { type Command, choice, exitCodes, instant, text, UsageError } from '../command.ts'
import { progressLine } from '../progress.ts'
import { compilePaths } from '../sources.ts'

export const command: Command = {
  summary: 'Size, sample and cost of an expression, on the data of a ProfileStore',
  operands: ['NOTHING', 'PATH'],
  usage: 'query EXPR --store STORE PATH… --volumes DIR [--at TIME]',
  description:
    'Reads only. Segments named by inSegment count as they were at the last evaluation. The cost is what the query reads and how long it took.',
  options: {
    store: { type: 'string', value: 'STORE', help: 'ProfileStore (default: the only one)' },
    volumes: { type: 'string', value: 'DIR', help: 'a claim is the folder of its name there' },
    at: { type: 'string', value: 'TIME', help: 'evaluation instant (default: now)' },
    sample: { type: 'string', value: 'N', help: 'how many profile ids to show (default: 5)' },
    output: { type: 'string', short: 'o', value: 'FORMAT', words: ['text', 'json'], help: 'text (default) or json' },
  },
  examples: [
    `convoke query 'loyalty.tier = "gold"' --store customers examples/minimal --volumes examples/minimal/volumes --at 2026-01-15T06:00:00Z`,
  ],
  run: async ({ positionals, values, io }) => {
    const [expression, ...paths] = positionals
    if (expression === undefined) throw new UsageError('Give an expression in quotes, then the paths of the resources.')
    const volumes = text(values, 'volumes')
    if (volumes === null) throw new UsageError('--volumes DIR is missing.')
    const sampleSize = Number(text(values, 'sample') ?? 5)
    if (!Number.isInteger(sampleSize) || sampleSize < 0) throw new UsageError('--sample takes a whole number.')
    const at = instant(values, 'at') ?? io.now()
    const { compilation } = compilePaths(paths, io)
    const name = text(values, 'store')
    const stores = compilation.model.stores.filter((store) => name === null || store.resource.name === name)
    const store = stores[0]
    if (!store || stores.length > 1) {
      const names = compilation.model.stores.map(({ resource }) => resource.name).join(', ') || 'none'
      throw new UsageError(
        name === null && store
          ? `Name one ProfileStore with --store: ${names}.`
          : `There is no ProfileStore \`${name ?? ''}\` there; there is ${names}.`,
      )
    }
    const compiled = expressionQuery(expression, store, compilation.model)
    if (compiled.kind === 'faults') {
      const source = { file: '<expression>', text: expression }
      const diagnostics = compiled.faults.map(({ fixes, related, span, severity, ...fault }) => ({
        ...fault,
        severity: severity ?? ('error' as const),
        file: source.file,
        span,
        resource: null,
        path: '',
        related: (related ?? []).map((place) => ({
          file: source.file,
          span: place.span,
          resource: null,
          path: '',
          message: place.message,
        })),
        fixes: [],
      }))
      io.err(renderText(diagnostics, [source], { colour: io.colour, width: io.columns }))
      return exitCodes.findings
    }
    const [{ JobError, queryStore }, { portsFor }] = await Promise.all([import('#jobs'), import('../ports.ts')])
    const line = progressLine(io)
    const places = {
      volumes: resolve(io.cwd, volumes),
      secrets: null,
      databases: new Map<string, string>(),
      scratchParent: null,
    }
    using ports = portsFor(places, io, line.show)
    try {
      const answer = await queryStore(compiled.store, compiled.query, at.toISOString(), sampleSize, ports)
      line.clear()
      const reads = { profileColumns: compiled.query.profileColumns, eventColumns: compiled.query.eventColumns }
      if (choice(values, 'output', ['text', 'json']) === 'json')
        io.out(`${JSON.stringify({ at, ...answer, reads }, null, 2)}\n`)
      else {
        const share = answer.profiles === 0 ? 0 : (100 * answer.members) / answer.profiles
        io.out(
          `${answer.members.toLocaleString('en')} of ${answer.profiles.toLocaleString('en')} profiles (${share.toFixed(1)} %) in ${answer.seconds.toFixed(2)} s\n`,
        )
        io.out(
          `reads ${[...reads.profileColumns, ...reads.eventColumns.map((path) => `xEvent.${path}`)].join(', ') || 'no column'}\n`,
        )
        if (answer.sample.length > 0) io.out(`for example ${answer.sample.join(', ')}\n`)
      }
      return exitCodes.fine
    } catch (error) {
      line.clear()
      if (!(error instanceof JobError)) throw error
      io.err(`convoke query: ${error.message}\n`)
      return exitCodes.findings
    }
  },
}
