import { mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { renderText, summaryText } from '#compiler'
import { kinds } from '#crds'
import { planConfigMaps } from '#protocol'
import { type Command, exitCodes, text } from '../command.ts'
import { compilePaths } from '../sources.ts'

export const command: Command = {
  summary: 'Compile resources to JobPlans and the manifests that carry them',
  usage: 'compile PATH… [--out DIR]',
  description:
    'The same input gives the same bytes. Without --out the plans go to standard output as one JSON document.',
  options: {
    'strict-pql': { type: 'boolean', help: 'refuse what PQL does not have (default: `strictPql` of convoke.toml)' },
    out: {
      type: 'string',
      value: 'DIR',
      help: 'write plans/KIND-NAMESPACE-NAME.json and manifests/KIND-NAMESPACE-NAME.json (.2.json, … for large ones) there',
    },
  },
  examples: ['convoke compile examples/retail --out build', 'convoke compile examples/minimal | jq ".plans[].target"'],
  run: async ({ positionals, values, io }) => {
    const { input, compilation } = compilePaths(
      positionals,
      io,
      null,
      values['strict-pql'] === true ? { strictPql: true } : {},
    )
    const { diagnostics, plans } = compilation
    if (diagnostics.length > 0)
      io.err(
        `${renderText(diagnostics, input.sources, { colour: io.colour, width: io.columns })}\n${summaryText(diagnostics, compilation.count)}\n`,
      )
    if (diagnostics.some((diagnostic) => diagnostic.severity === 'error')) return exitCodes.findings
    const out = text(values, 'out')
    if (out === null) {
      io.out(`${JSON.stringify({ plans, manifests: plans.flatMap(planConfigMaps) }, null, 2)}\n`)
      return exitCodes.fine
    }
    for (const folder of ['plans', 'manifests']) mkdirSync(resolve(io.cwd, out, folder), { recursive: true })
    for (const plan of plans) {
      const name = `${kinds[plan.target.kind].shortName}-${plan.target.namespace}-${plan.target.name}`
      writeFileSync(resolve(io.cwd, out, 'plans', `${name}.json`), `${JSON.stringify(plan, null, 2)}\n`)
      for (const [index, manifest] of planConfigMaps(plan).entries()) {
        const file = `${name}${index === 0 ? '' : `.${index + 1}`}.json`
        writeFileSync(resolve(io.cwd, out, 'manifests', file), `${JSON.stringify(manifest, null, 2)}\n`)
      }
      io.err(`${join(out, 'plans', `${name}.json`)}\n`)
    }
    return exitCodes.fine
  },
}
