import { dotOf, graphOf, mermaidOf, summaryText, svgOf } from '#compiler'
import { type Command, choice, exitCodes, UsageError } from '../command.ts'
import { compilePaths } from '../sources.ts'

export const command: Command = {
  summary: 'Draw what feeds what: Datasets, stores, Segments, Activations, Destinations, Campaign',
  usage: 'graph PATH… [-o svg|mermaid|dot]',
  description:
    'How much of a guardrail is used stands in the picture. SVG needs no browser and no Graphviz; Mermaid is what GitHub draws in Markdown. A resource that is not well-formed is not in the picture; the exit code is 1 then.',
  options: {
    output: {
      type: 'string',
      short: 'o',
      value: 'FORMAT',
      words: ['svg', 'mermaid', 'dot'],
      help: 'svg (default), mermaid or dot',
    },
  },
  examples: ['convoke graph examples/retail > retail.svg', 'convoke graph -o mermaid . >> README.md'],
  run: async ({ positionals, values, io }) => {
    const output = choice(values, 'output', ['svg', 'mermaid', 'dot'])
    const { compilation } = compilePaths(positionals, io)
    const { diagnostics, count } = compilation
    const graph = graphOf(compilation)
    if (graph.nodes.length === 0 && count === 0) throw new UsageError('No resource of convoke.dev was found there.')
    io.document({ svg: svgOf, mermaid: mermaidOf, dot: dotOf }[output](graph))
    if (!diagnostics.some((diagnostic) => diagnostic.severity === 'error')) return exitCodes.fine
    io.err(`${summaryText(diagnostics, count)}; \`convoke check\` shows them\n`)
    return exitCodes.findings
  },
}
