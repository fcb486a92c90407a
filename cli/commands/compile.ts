import { mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { planConfigMap, renderText, summaryText } from '#compiler'
import { kinds } from '#crds'
import { type Command, exitCodes, text } from '../command.ts'
import { compilePaths } from '../sources.ts'

export const command: Command = {
  summary: 'Compile resources to JobPlans and the manifests that carry them',
  usage: 'compile PATH… [--out DIR]',
  description:
    'The same input gives the same bytes. Without --out the plans go to standard output as one JSON document.',
  options: {
    out: {
      type: 'string',
      value: 'DIR',
      help: 'write plans/KIND-NAMESPACE-NAME.json and manifests/KIND-NAMESPACE-NAME.json there',
    },
  },
  examples: ['convoke compile examples/retail --out build', 'convoke compile examples/minimal | jq ".plans[].target"'],
  run: async ({ positionals, values, io }) => {
    const { input, compilation } = compilePaths(positionals, io)
    const { diagnostics, plans } = compilation
    if (diagnostics.length > 0)
      io.err(
        `${renderText(diagnostics, input.sources, { colour: io.colour, width: io.columns })}\n${summaryText(diagnostics, compilation.count)}\n`,
      )
    if (diagnostics.some((diagnostic) => diagnostic.severity === 'error')) return exitCodes.findings
    const out = text(values, 'out')
    if (out === null) {
      io.out(`${JSON.stringify({ plans, manifests: plans.map(planConfigMap) }, null, 2)}\n`)
      return exitCodes.fine
    }
    for (const folder of ['plans', 'manifests']) mkdirSync(resolve(io.cwd, out, folder), { recursive: true })
    for (const plan of plans) {
      const name = `${kinds[plan.target.kind].shortName}-${plan.target.namespace}-${plan.target.name}.json`
      writeFileSync(resolve(io.cwd, out, 'plans', name), `${JSON.stringify(plan, null, 2)}\n`)
      writeFileSync(resolve(io.cwd, out, 'manifests', name), `${JSON.stringify(planConfigMap(plan), null, 2)}\n`)
      io.err(`${join(out, 'plans', name)}\n`)
    }
    return exitCodes.fine
  },
}
