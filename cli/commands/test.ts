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
import type { Preview } from '#jobs'
import { type Command, choice, exitCodes, type Io, UsageError } from '../command.ts'
import { projectName, reportFile, reportOption, writeReport } from '../report-file.ts'
import { compilePaths, readConfig } from '../sources.ts'
import { type CaseReport, coverageText, testDocument, testedDocument, testJunit, testText } from '../test-report.ts'
import { whileWatched } from '../watching.ts'

export const command: Command = {
  summary: 'Run SegmentTests: who is in a Segment, on people made up for it',
  usage: 'test PATH… [--engine reference|duckdb|spark|all] [--coverage] [--report FILE] [-o text|json|junit]',
  description:
    'PATH holds the SegmentTests and what they refer to. A timeline is evaluated in full and incrementally at every step, and both must agree.',
  options: {
    engine: {
      type: 'string',
      value: 'ENGINE',
      words: ['reference', 'duckdb', 'spark', 'all'],
      help: 'reference (default), the interpreter that the others are held to; duckdb; spark, where it is installed; or all',
    },
    coverage: { type: 'boolean', help: 'say which leaf conditions were never true or never false' },
    watch: { type: 'boolean', short: 'w', help: 'again whenever a file changes, until Ctrl-C' },
    report: reportOption('writes what passes, what fails and why, and coverage, as a page to look at'),
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
    'convoke test . --report tests.html',
  ],
  run: async ({ positionals, values, io }) => {
    if (values['watch'] === true)
      return whileWatched(positionals, io, () =>
        command.run({ positionals, values: { ...values, watch: undefined }, io }),
      )
    const output = choice(values, 'output', ['text', 'json', 'junit'])
    const wanted = choice(values, 'engine', ['reference', 'duckdb', 'spark', 'all'])
    const page = reportFile(values, io)
    const { input, compilation } = compilePaths(positionals, io)
    const { suites, diagnostics, model } = compilation
    if (diagnostics.length > 0)
      io.err(`${renderText(diagnostics, input.sources, { colour: io.colour, width: io.columns })}\n`)
    const isFaulty = diagnostics.some(({ severity }) => severity === 'error')
    if (suites.length === 0 && !isFaulty)
      throw new UsageError('There is no SegmentTest in what was given; `convoke test` runs documents of that kind.')

    const reports: CaseReport[] = []
    await using engines = await openEngines(wanted, io)
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
    if (page !== null) {
      const { testReport } = await import('#views')
      const document = testedDocument(reports, coverage ?? coverageOf(suites, model), {
        at: io.now(),
        segments: model.segments.length,
      })
      if (
        !writeReport(
          page,
          testReport(document, { where: projectName(positionals.length > 0 ? positionals : readConfig(io).paths, io) }),
          io,
        )
      )
        return exitCodes.findings
    }
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

/** All engines here for `all`, with a note of which they are. Throws UsageError for a Spark that is asked for by name and missing. */
async function openEngines(wanted: 'reference' | 'duckdb' | 'spark' | 'all', io: Io): Promise<Opened> {
  const list: Opened['list'][number][] = []
  await using opened = new AsyncDisposableStack()
  if (wanted === 'reference' || wanted === 'all') list.push({ name: 'reference', on: () => reference })
  if (wanted !== 'reference') {
    const [{ openPreview, openSparkPreview }, { mkdtempSync, rmSync }, { tmpdir }, { join }] = await Promise.all([
      import('#jobs'),
      import('node:fs'),
      import('node:os'),
      import('node:path'),
    ])
    const scratch = mkdtempSync(join(tmpdir(), 'convoke-'))
    opened.defer(() => rmSync(scratch, { recursive: true, force: true }))
    const ports = { scratch, signal: io.signal }
    if (wanted !== 'spark') list.push({ name: 'duckdb', on: engineOn(opened.use(await openPreview(ports))) })
    if (wanted !== 'duckdb') {
      const python = io.env['PYSPARK_DRIVER_PYTHON'] ?? io.env['PYSPARK_PYTHON'] ?? 'python3'
      const spark = await openSparkPreview(python, io.env, ports)
      if ('missing' in spark) {
        if (wanted === 'spark')
          throw new UsageError(
            `Spark is not here: ${spark.missing}. It takes Java 17 or newer, and \`pip install pyspark\` for the Python that PYSPARK_PYTHON names (python3). Or use --engine duckdb.`,
          )
        io.err(`Engines: reference and duckdb; Spark is not here: ${spark.missing}.\n`)
      } else {
        list.push({ name: 'spark', on: engineOn(opened.use(spark)) })
        if (wanted === 'all') io.err(`Engines: reference, duckdb and Spark ${spark.version}.\n`)
      }
    }
  }
  const owned = opened.move()
  return { list, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

function engineOn(preview: Preview): (suite: Suite) => Engine {
  return ({ types }) => {
    const columns = { profile: columnsOf(types.profile), event: types.event ? columnsOf(types.event) : [] }
    return async (segments, people, at) => {
      if (people.size === 0) return new Set()
      const members = await preview.members(
        membershipQuery(segments, columns.event),
        columns,
        [...people].map(([id, person]) => ({ id, ...person })),
        new Date(at),
      )
      return new Set(members.get(segments[0]?.name ?? ''))
    }
  }
}
