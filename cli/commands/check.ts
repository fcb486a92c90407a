import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { applyFixes, checkDocument, codes, compile, renderText, rules, summaryText } from '#compiler'
import { type Command, choice, exitCodes } from '../command.ts'
import { compilePaths, readConfig } from '../sources.ts'

export const command: Command = {
  summary: 'Check resources against the schema, their references, the language and every guardrail',
  usage: 'check PATH… [-o text|json] [--fix] [--fail-on error|warning]',
  description:
    'PATH is a file, a directory, a glob, or - for the output of kustomize or Helm. Nothing is written but what --fix corrects.',
  options: {
    output: { type: 'string', short: 'o', value: 'FORMAT', help: 'text (default) or json' },
    fix: { type: 'boolean', help: 'apply the safe fixes, keeping comments and layout' },
    'fail-on': {
      type: 'string',
      value: 'SEVERITY',
      help: 'error (default) or warning: from which severity on the exit code is 1',
    },
    'show-config': { type: 'boolean', help: 'print the severity of every code and where it comes from' },
  },
  examples: [
    'convoke check examples/retail',
    'kustomize build overlays/production | convoke check -',
    'convoke check --fix segments/',
    'convoke check -o json . | jq .summary',
  ],
  run: async ({ positionals, values, io }) => {
    const output = choice(values, 'output', ['text', 'json'])
    const failOn = choice(values, 'fail-on', ['error', 'warning'])
    if (values['show-config'] === true) {
      const config = readConfig(io)
      io.out(`${config.file ?? 'no convoke.toml: every code has its own severity'}\n`)
      for (const code of codes)
        io.out(
          `${code.padEnd(34)}${config.options.severities?.[code] ?? rules[code]?.severity ?? 'error'}${config.options.severities?.[code] ? '  (convoke.toml)' : ''}\n`,
        )
      return exitCodes.fine
    }
    let { input, compilation } = compilePaths(positionals, io)
    if (values['fix'] === true) {
      let applied = 0
      // A fix can uncover another fault; a few rounds settle what can be settled.
      for (let round = 0; round < 5; round += 1) {
        const fixes = applyFixes(input.sources, compilation.diagnostics, ['safe'])
        if (fixes.applied === 0) break
        applied += fixes.applied
        for (const source of fixes.changed)
          if (source.file !== '<stdin>') writeFileSync(resolve(io.cwd, source.file), source.text)
        const changed = new Map(fixes.changed.map((source) => [source.file, source]))
        const sources = input.sources.map((source) => changed.get(source.file) ?? source)
        input = { sources, diagnostics: input.diagnostics }
        const again = compile(sources, readConfig(io).options)
        compilation = { ...again, diagnostics: [...input.diagnostics, ...again.diagnostics] }
      }
      io.err(`${applied} ${applied === 1 ? 'fix' : 'fixes'} applied\n`)
    }
    const { diagnostics, count } = compilation
    if (output === 'json') io.out(`${JSON.stringify(checkDocument(diagnostics, input.sources, count), null, 2)}\n`)
    else {
      if (diagnostics.length > 0)
        io.out(`${renderText(diagnostics, input.sources, { colour: io.colour, width: io.columns })}\n`)
      io.out(`${summaryText(diagnostics, count)}${count === 0 ? '; no resource of convoke.dev was found there' : ''}\n`)
    }
    const counted = diagnostics.some(
      (diagnostic) => diagnostic.severity === 'error' || (failOn === 'warning' && diagnostic.severity === 'warning'),
    )
    return counted ? exitCodes.findings : exitCodes.fine
  },
}
