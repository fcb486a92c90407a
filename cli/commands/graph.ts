import { dotOf, graphOf, mermaidOf, summaryText, svgOf } from '#compiler'
import { type Command, choice, exitCodes, instant, UsageError } from '../command.ts'
import { progressLine } from '../progress.ts'
import { compilePaths } from '../sources.ts'
import { whereabouts, whereOptions } from '../whereabouts.ts'

export const command: Command = {
  summary: 'Draw what feeds what: Datasets, stores, Segments, Activations, Destinations, Campaign',
  usage: 'graph PATH… [-o svg|mermaid|dot|json] [--volumes DIR] [--workdir DIR]',
  description:
    'How much of a guardrail is used stands in the picture. SVG needs no browser and no Graphviz; Mermaid is what GitHub draws in Markdown. A resource that is not well-formed is not in the picture; the exit code is 1 then.\n' +
    'JSON has nodes and edges; with --volumes how many records, people and members each has, with --workdir also what was delivered.',
  options: {
    output: {
      type: 'string',
      short: 'o',
      value: 'FORMAT',
      words: ['svg', 'mermaid', 'dot', 'json'],
      help: 'svg (default), mermaid, dot or json',
    },
    at: { type: 'string', value: 'TIME', help: 'what JSON calls now (default: now)' },
    ...whereOptions,
  },
  examples: [
    'convoke graph examples/retail > retail.svg',
    'convoke graph -o mermaid . >> README.md',
    'convoke graph . -o json --volumes .work/retail/volumes',
  ],
  run: async ({ positionals, values, io }) => {
    const output = choice(values, 'output', ['svg', 'mermaid', 'dot', 'json'])
    const { compilation } = compilePaths(positionals, io)
    const { diagnostics, count } = compilation
    const graph = graphOf(compilation)
    if (graph.nodes.length === 0 && count === 0) throw new UsageError('No resource of convoke.dev was found there.')
    if (output === 'json') {
      const at = instant(values, 'at') ?? io.now()
      const [{ lookAround }, { graphDocument, runDocument }] = await Promise.all([
        import('../look-around.ts'),
        import('#views'),
      ])
      const look = { where: whereabouts(values, io), at, isWhole: true }
      const run = await lookAround(
        compilation,
        look,
        io,
        progressLine(io),
        async (seen) => seen && runDocument({ compilation, at, outcomes: [], notices: [], knowledge: seen.knowledge }),
      )
      io.document(`${JSON.stringify(graphDocument(compilation, run), null, 2)}\n`)
    } else io.document({ svg: svgOf, mermaid: mermaidOf, dot: dotOf }[output](graph))
    if (!diagnostics.some((diagnostic) => diagnostic.severity === 'error')) return exitCodes.fine
    io.err(`${summaryText(diagnostics, count)}; \`convoke check\` shows them\n`)
    return exitCodes.findings
  },
}
