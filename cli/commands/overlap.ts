import { type Command, choice, exitCodes, text, UsageError } from '../command.ts'
import { compilePaths } from '../sources.ts'
import { volumesOption, whereabouts } from '../whereabouts.ts'

/** At most this many Segments are compared with each other. */
const mostSegments = 500

export const command: Command = {
  summary: 'How many people each two Segments share, as a matrix',
  operands: ['SEGMENT'],
  usage: 'overlap [SEGMENT…] [PATH…] [--store STORE] [--volumes DIR]',
  description:
    'By the last evaluation; without a SEGMENT all of the store. On the diagonal stands how many people each has. What exists as a file or folder\n' +
    'is a PATH, all else a Segment.',
  options: {
    store: { type: 'string', value: 'STORE', help: 'ProfileStore (default: that of the Segments, or the only one)' },
    volumes: volumesOption,
    output: { type: 'string', short: 'o', value: 'FORMAT', words: ['text', 'json'], help: 'text (default) or json' },
  },
  examples: [
    'convoke overlap examples/minimal --volumes examples/minimal/volumes',
    'convoke overlap gold-members lapsed-buyers examples/minimal --volumes examples/minimal/volumes -o json',
  ],
  run: async ({ positionals, values, io }) => {
    const [{ existsSync }, { resolve }] = await Promise.all([import('node:fs'), import('node:path')])
    const isPath = (given: string): boolean =>
      given === '-' || /[*?{]|\.ya?ml$|\.json$/.test(given) || existsSync(resolve(io.cwd, given))
    const names = positionals.filter((given) => !isPath(given))
    const isDocument = choice(values, 'output', ['text', 'json']) === 'json'
    const { compilation } = compilePaths(positionals.filter(isPath), io)
    const [{ neededSegment, storeNamed, withStore }, { overlapOf }, { matrixText }] = await Promise.all([
      import('../store-at-hand.ts'),
      import('#jobs'),
      import('../matrix.ts'),
    ])
    const named = await Promise.all(names.map((name) => neededSegment(compilation, name)))
    const stores = new Set(named.map(({ store }) => store))
    if (stores.size > 1)
      throw new UsageError('These Segments are of different ProfileStores, whose people have nothing in common.')
    const [own] = stores
    const store = own ?? storeNamed(compilation, text(values, 'store'))
    return withStore(compilation, store, whereabouts(values, io), { command: 'overlap', io }, async ({ open }) => {
      const known = new Set(open.membership?.segments.map(({ segment }) => segment))
      const asked =
        named.length > 0
          ? named.map(({ resource }) => resource.name)
          : compilation.model.segments.filter((segment) => segment.store === store).map(({ resource }) => resource.name)
      const segments = [...new Set(asked)].filter((name) => known.has(name))
      const missing = asked.filter((name) => !known.has(name))
      if (missing.length > 0) io.err(`Not evaluated yet: ${missing.slice(0, 10).join(', ')}.\n`)
      if (segments.length === 0) return exitCodes.findings
      if (segments.length > mostSegments)
        throw new UsageError(`There are ${segments.length} Segments; name up to ${mostSegments} of them.`)
      const overlap = await overlapOf(open, segments)
      io.out(isDocument ? `${JSON.stringify(overlap, null, 2)}\n` : matrixText(overlap, io.columns))
      return exitCodes.fine
    })
  },
}
