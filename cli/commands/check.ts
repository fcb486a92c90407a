import { writeFileSync } from 'node:fs'
import { relative, resolve } from 'node:path'
import {
  applyFixes,
  type Compilation,
  checkDocument,
  codes,
  compile,
  type Diagnostic,
  githubAnnotations,
  junitDocument,
  renderText,
  rules,
  sarifDocument,
  summaryText,
} from '#compiler'
import { type Command, choice, exitCodes, type Io, text, UsageError } from '../command.ts'
import { projectsIn } from '../projects.ts'
import { compilePaths, readConfig } from '../sources.ts'
import { version } from '../version.ts'
import { whileWatched } from '../watching.ts'

export const command: Command = {
  summary: 'Check resources against the schema, their references, the language and every guardrail',
  usage: 'check PATH… [-o text|json|sarif|github|junit] [--fix] [--fail-on error|warning] [--volumes DIR]',
  description:
    'PATH is a file, a directory, a glob, or - for the output of kustomize or Helm. Nothing is written but what --fix corrects.',
  options: {
    output: {
      type: 'string',
      short: 'o',
      value: 'FORMAT',
      words: ['text', 'json', 'sarif', 'github', 'junit'],
      help: 'text (default), json, sarif, github or junit',
    },
    'max-diagnostics': { type: 'string', value: 'N', help: 'show at most so many findings as text, errors first' },
    fix: { type: 'boolean', help: 'apply the safe fixes, keeping comments and layout' },
    'fail-on': {
      type: 'string',
      value: 'SEVERITY',
      words: ['error', 'warning'],
      help: 'error (default) or warning: from which severity on the exit code is 1',
    },
    volumes: {
      type: 'string',
      value: 'DIR',
      help: 'say of the stores there what somebody should know: identities compared as written, refused files, unmet expectations',
    },
    'strict-pql': { type: 'boolean', help: 'refuse what PQL does not have (default: `strictPql` of convoke.toml)' },
    watch: { type: 'boolean', short: 'w', help: 'again whenever a file changes, until Ctrl-C' },
    'show-config': { type: 'boolean', help: 'print the severity of every code and where it comes from' },
  },
  examples: [
    'convoke check examples/retail',
    'kustomize build overlays/production | convoke check -',
    'convoke check --fix segments/',
    'convoke check -o json . | jq .summary',
    'convoke check -o sarif . > convoke.sarif',
  ],
  run: async ({ positionals, values, io }) => {
    if (values['watch'] === true)
      return whileWatched(positionals, io, () =>
        command.run({ positionals, values: { ...values, watch: undefined }, io }),
      )
    const output = choice(values, 'output', ['text', 'json', 'sarif', 'github', 'junit'])
    const failOn = choice(values, 'fail-on', ['error', 'warning'])
    const given = text(values, 'max-diagnostics')
    const most = given === null ? null : positiveNumber(given)
    if (values['show-config'] === true) {
      const config = readConfig(io)
      io.out(`${config.file ?? 'no convoke.toml: every code has its own severity'}\n`)
      for (const code of codes)
        io.out(
          `${code.padEnd(34)}${config.options.severities?.[code] ?? rules[code]?.severity ?? 'error'}${config.options.severities?.[code] ? '  (convoke.toml)' : ''}\n`,
        )
      return exitCodes.fine
    }
    const strict = values['strict-pql'] === true ? { strictPql: true } : {}
    let { input, compilation } = compilePaths(positionals, io, null, strict)
    if (values['fix'] === true) {
      let applied = 0
      // A fix can uncover another fault; a few rounds apply all fixes that there are.
      for (let round = 0; round < 5; round += 1) {
        const fixes = applyFixes(input.sources, compilation.diagnostics, ['safe'])
        if (fixes.applied === 0) break
        applied += fixes.applied
        for (const source of fixes.changed)
          if (source.file !== '<stdin>') writeFileSync(resolve(io.cwd, source.file), source.text)
        const changed = new Map(fixes.changed.map((source) => [source.file, source]))
        const sources = input.sources.map((source) => changed.get(source.file) ?? source)
        input = { sources, diagnostics: input.diagnostics }
        compilation = compile(sources, { ...readConfig(io).options, ...strict, reading: input.diagnostics })
      }
      io.err(`${applied} ${applied === 1 ? 'fix' : 'fixes'} applied\n`)
    }
    const { diagnostics, count } = compilation
    const volumes = text(values, 'volumes')
    const notes = volumes === null ? [] : await notesOf(compilation, resolve(io.cwd, volumes), io)
    const { sources } = input
    const counts = ({ severity }: Diagnostic): boolean =>
      severity === 'error' || (failOn === 'warning' && severity === 'warning')
    switch (output) {
      case 'json':
        io.out(
          `${JSON.stringify({ ...checkDocument(diagnostics, sources, count), ...(volumes !== null && { stores: notes }) }, null, 2)}\n`,
        )
        break
      case 'sarif': {
        const options = { version: version(), pathInRepository: pathInRepository(io) }
        io.out(`${JSON.stringify(sarifDocument(diagnostics, sources, options), null, 2)}\n`)
        break
      }
      case 'github':
        io.document(githubAnnotations(diagnostics, sources, pathInRepository(io)))
        io.err(`${summaryText(diagnostics, count)}\n`)
        break
      case 'junit':
        io.document(junitDocument(diagnostics, sources, counts))
        break
      case 'text': {
        const projects = projectsIn(diagnostics)
        if (projects !== null) {
          io.out(
            `These are ${projects.folders.length} projects, and ${projects.collisions} names are in more than one of them. Check each alone:\n${projects.folders.map((folder) => `  ${io.program} check ${folder}\n`).join('')}`,
          )
          break
        }
        const shown = most === null ? diagnostics : severest(diagnostics, most)
        if (shown.length > 0) io.out(`${renderText(shown, sources, { colour: io.colour, width: io.columns })}\n`)
        if (shown.length < diagnostics.length)
          io.out(`${diagnostics.length - shown.length} more are not shown (--max-diagnostics ${most})\n`)
        io.out(
          `${notes.map(({ store, message }) => `! ProfileStore ${store}: ${message}\n`).join('')}${summaryText(diagnostics, count)}${count === 0 ? '; no resource of convoke.dev was found there' : ''}\n`,
        )
      }
    }
    return diagnostics.some(counts) ? exitCodes.findings : exitCodes.fine
  },
}

type Note = { readonly store: string; readonly code: string; readonly message: string }

/** Notes about the stores' data, from what lies in the folder of their volumes. */
async function notesOf({ plans }: Compilation, volumes: string, io: Io): Promise<readonly Note[]> {
  const [{ storeNotes }, { portsFor }] = await Promise.all([import('#jobs'), import('../ports.ts')])
  using ports = portsFor({ volumes, secrets: null, databases: new Map(), scratchParent: null }, io, () => {})
  return plans
    .filter(({ target }) => target.kind === 'ProfileStore')
    .flatMap(({ store }) => storeNotes(store!, ports).map((note) => ({ store: store!.name, ...note }))) // such a plan has a store
}

function positiveNumber(given: string): number {
  if (!/^[1-9]\d{0,8}$/.test(given)) throw new UsageError(`--max-diagnostics takes a number from 1, not \`${given}\`.`)
  return Number(given)
}

/** At most this many findings, errors before warnings, each in their order. */
function severest(diagnostics: readonly Diagnostic[], most: number): readonly Diagnostic[] {
  const rank = ['error', 'warning', 'info']
  const chosen = new Set(
    [...diagnostics].sort((a, b) => rank.indexOf(a.severity) - rank.indexOf(b.severity)).slice(0, most),
  )
  return diagnostics.filter((diagnostic) => chosen.has(diagnostic))
}

/** Paths from the root of the checkout, as GitHub counts them, wherever in it the command runs. */
function pathInRepository(io: Io): (file: string) => string {
  const root = io.env['GITHUB_WORKSPACE']
  return (file) => {
    if (!root || file === '<stdin>') return file
    const path = relative(root, resolve(io.cwd, file))
    return path.startsWith('..') ? file : path
  }
}
