import {
  type CaseResult,
  checkDocument,
  columnsOf,
  coverageOf,
  type Engine,
  faultDiagnosticsOf,
  membershipQuery,
  pathText,
  reference,
  renderText,
  runCase,
  type Suite,
} from '#compiler'
import { type Command, choice, exitCodes, type Io, UsageError } from '../command.ts'
import { compilePaths } from '../sources.ts'
import { type CaseReport, coverageText, testDocument, testJunit, testText } from '../test-report.ts'

export const command: Command = {
  summary: 'Run SegmentTests: who is in a Segment, on people made up for it',
  usage: 'test PATH… [--engine reference|duckdb|all] [--coverage] [-o text|json|junit]',
  description:
    'PATH holds the SegmentTests and what they refer to. A timeline is evaluated in full and incrementally at every step, and both must agree.',
  options: {
    engine: {
      type: 'string',
      value: 'ENGINE',
      words: ['reference', 'duckdb', 'all'],
      help: 'reference (default), the interpreter that the others are held to; duckdb; spark; or all there are here',
    },
    coverage: { type: 'boolean', help: 'say which leaf conditions were never true or never false' },
    output: {
      type: 'string',
      short: 'o',
      value: 'FORMAT',
      words: ['text', 'json', 'junit'],
      help: 'text (default), json or junit',
    },
  },
  examples: [
    'convoke test examples/retail',
    'convoke test --engine all --coverage .',
    'convoke test -o junit . > tests.xml',
  ],
  run: async ({ positionals, values, io }) => {
    const output = choice(values, 'output', ['text', 'json', 'junit'])
    const wanted = choice(values, 'engine', ['reference', 'duckdb', 'spark', 'all'])
    if (wanted === 'spark')
      throw new UsageError(
        'Spark is not here: it runs in the cluster, for a ProfileStore with `engine: {type: Spark}`. Use --engine duckdb or reference.',
      )
    const { input, compilation } = compilePaths(positionals, io)
    const { suites, diagnostics, model } = compilation
    if (diagnostics.length > 0)
      io.err(`${renderText(diagnostics, input.sources, { colour: io.colour, width: io.columns })}\n`)
    const isFaulty = diagnostics.some(({ severity }) => severity === 'error')
    if (suites.length === 0 && !isFaulty)
      throw new UsageError('There is no SegmentTest in what was given; `convoke test` runs documents of that kind.')
    if (wanted === 'all') io.err('Engines: reference and duckdb; Spark is not here.\n')

    const reports: CaseReport[] = []
    await using engines = await openEngines(wanted === 'all' ? ['reference', 'duckdb'] : [wanted], io)
    for (const suite of suites)
      for (const [index, each] of suite.cases.entries()) {
        const path = pathText(['spec', 'cases', index])
        const own = diagnostics.filter(
          ({ resource, file, path: at }) =>
            resource?.kind === 'SegmentTest' &&
            resource.name === suite.document.name &&
            file === suite.document.origin.source.file &&
            (at === path || at.startsWith(`${path}.`) || (each.obstacles.length > 0 && !at.startsWith('spec.cases'))),
        )
        const faults = faultDiagnosticsOf(suite, each).filter(
          (fault) => !own.some(({ code, span }) => code === fault.code && span?.start === fault.span?.start),
        )
        const shown = checkDocument([...own, ...faults], input.sources, 0)
        for (const { name, on } of engines.list) {
          const result: CaseResult = await runCase(each, on(suite))
          reports.push({ suite, case: each, engine: name, result, diagnostics: shown.diagnostics })
        }
      }
    const coverage = values['coverage'] === true ? coverageOf(suites, model) : null
    if (output === 'json') io.out(`${JSON.stringify(testDocument(reports, coverage), null, 2)}\n`)
    else if (output === 'junit') {
      io.out(testJunit(reports))
      if (coverage) io.err(`${coverageText(coverage, io.columns)}\n`)
    } else {
      io.out(testText(reports, io.colour))
      if (coverage) io.out(`\n${coverageText(coverage, io.columns)}\n`)
    }
    return isFaulty || reports.some(({ result }) => !result.passed) ? exitCodes.findings : exitCodes.fine
  },
}

type Opened = AsyncDisposable & {
  readonly list: readonly { readonly name: string; readonly on: (suite: Suite) => Engine }[]
}

async function openEngines(names: readonly ('reference' | 'duckdb')[], io: Io): Promise<Opened> {
  const list: Opened['list'][number][] = []
  const opened = new AsyncDisposableStack()
  for (const name of names) {
    if (name === 'reference') list.push({ name, on: () => reference })
    else {
      const [{ openPreview }, { mkdtempSync, rmSync }, { tmpdir }, { join }] = await Promise.all([
        import('#jobs'),
        import('node:fs'),
        import('node:os'),
        import('node:path'),
      ])
      const scratch = mkdtempSync(join(tmpdir(), 'convoke-'))
      opened.defer(() => rmSync(scratch, { recursive: true, force: true }))
      const preview = opened.use(await openPreview({ scratch, signal: io.signal }))
      list.push({
        name,
        on:
          ({ types }) =>
          async (segments, people, at) => {
            const columns = { profile: columnsOf(types.profile), event: types.event ? columnsOf(types.event) : [] }
            const members = await preview.members(
              membershipQuery(segments, columns.event),
              columns,
              [...people].map(([id, person]) => ({ id, ...person })),
              new Date(at),
            )
            return new Set(members.get(segments[0]?.name ?? ''))
          },
      })
    }
  }
  return { list, [Symbol.asyncDispose]: () => opened.disposeAsync() }
}
