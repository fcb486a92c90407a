import { existsSync } from 'node:fs'
import { relative, resolve } from 'node:path'
import { renderText, summaryText } from '#compiler'
import type { Detail } from '#crds'
import { type Command, choice, exitCodes, type Io, instant, text, texts, UsageError } from '../command.ts'
import { databasesOf } from '../databases.ts'
import { progressLine } from '../progress.ts'
import type { RunOutcome } from '../run.ts'
import { compilePaths } from '../sources.ts'
import { table } from '../table.ts'

export const command: Command = {
  summary: 'The whole way in one process: ingest, evaluate, export, import, and a report',
  usage: 'run PATH… --workdir DIR --volumes DIR [--at TIME]',
  description:
    'Runs what is due at --at and was not run in this work directory yet. A claim is the folder of its name under --volumes. A CampaignInstance\n' +
    'with a database gets an embedded PostgreSQL under the work directory, unless --database names one; its target table is made from the target\n' +
    'mapping and filled from VOLUMES/campaign/INSTANCE/TABLE.csv where that exists.',
  options: {
    workdir: { type: 'string', value: 'DIR', help: 'what this command remembers, and the embedded databases' },
    volumes: { type: 'string', value: 'DIR', help: 'a claim is the folder of its name there' },
    at: { type: 'string', value: 'TIME', help: 'the evaluation instant of every step (default: now)' },
    secrets: { type: 'string', value: 'DIR', help: 'a secret key is the file NAME/KEY there' },
    database: {
      type: 'string',
      multiple: true,
      value: 'INSTANCE=URL',
      help: 'use that PostgreSQL for a CampaignInstance',
    },
    output: { type: 'string', short: 'o', value: 'FORMAT', help: 'text (default) or json' },
  },
  examples: [
    'convoke run examples/minimal --workdir .work/minimal --volumes examples/minimal/volumes --at 2026-01-15T12:00:00Z',
    'convoke run . --workdir .work --volumes /mnt --database production=postgres://convoke@db/campaign -o json',
  ],
  run: async ({ positionals, values, io }) => {
    const workdir = resolve(io.cwd, required(text(values, 'workdir'), '--workdir'))
    const volumes = resolve(io.cwd, required(text(values, 'volumes'), '--volumes'))
    const secrets = text(values, 'secrets')
    const at = instant(values, 'at') ?? io.now()
    const output = choice(values, 'output', ['text', 'json'])
    if (!existsSync(volumes)) throw new UsageError(`The volumes folder \`${volumes}\` does not exist.`)
    const databases = databasesOf(texts(values, 'database'))

    const { input, compilation } = compilePaths(positionals, io)
    const { diagnostics } = compilation
    if (diagnostics.length > 0)
      io.err(
        `${renderText(diagnostics, input.sources, { colour: io.colour, width: io.columns })}\n${summaryText(diagnostics, compilation.count)}\n`,
      )
    if (diagnostics.some((diagnostic) => diagnostic.severity === 'error')) {
      if (output === 'json')
        io.out(`${JSON.stringify({ at, runs: [], error: 'The resources have errors; nothing was run.' }, null, 2)}\n`)
      else io.err('Nothing was run: correct the errors above first.\n')
      return exitCodes.findings
    }

    const [{ runDue }, { openWorkDirectory }] = await Promise.all([import('../run.ts'), import('../work-directory.ts')])
    const work = openWorkDirectory(workdir)
    const outcomes = await runDue(
      compilation,
      at,
      work,
      { volumes, secrets: secrets === null ? null : resolve(io.cwd, secrets), databases, scratchParent: null },
      io,
      progressLine(io),
    )
    if (output === 'json') io.out(`${JSON.stringify({ at, runs: outcomes }, null, 2)}\n`)
    else if (outcomes.length === 0) io.out(`Nothing is due at ${at.toISOString()} that was not run before.\n`)
    else io.out(report(outcomes, workdir, io))
    return outcomes.some((outcome) => outcome.steps.some((step) => step.outcome === 'Failed'))
      ? exitCodes.findings
      : exitCodes.fine
  },
}

function required(value: string | null, option: string): string {
  if (value === null) throw new UsageError(`${option} DIR is missing.`)
  return value
}

type Row = {
  readonly segment: string
  readonly activation: string
  readonly evaluated: Detail | null
  readonly exported: Detail | null
  readonly imported: readonly Detail[]
  readonly seconds: number | null
}

/** One row for each Segment that was evaluated or delivered; delivered ones once per Activation. */
function rowsOf(outcomes: readonly RunOutcome[]): Row[] {
  const detailsOf = (outcome: RunOutcome, step: string): readonly Detail[] =>
    outcome.steps.find((report) => report.step === step)?.details ?? []
  const evaluated = new Map(
    outcomes.flatMap((outcome) =>
      detailsOf(outcome, 'evaluate').flatMap((detail) =>
        detail.segment === undefined ? [] : [[detail.segment, detail] as const],
      ),
    ),
  )
  const rows: Row[] = []
  for (const outcome of outcomes) {
    for (const exported of detailsOf(outcome, 'export')) {
      if (exported.segment === undefined) continue
      const files = new Set((exported.files ?? []).map((file) => file.name))
      const imported = detailsOf(outcome, 'import').filter((detail) =>
        detail.file === undefined ? detail.segment === exported.segment : files.has(detail.file),
      )
      rows.push({
        segment: exported.segment,
        activation: outcome.target.name,
        evaluated: evaluated.get(exported.segment) ?? null,
        exported,
        imported,
        seconds: outcome.seconds,
      })
    }
  }
  for (const [segment, detail] of evaluated)
    if (!rows.some((row) => row.segment === segment))
      rows.push({ segment, activation: '', evaluated: detail, exported: null, imported: [], seconds: null })
  return rows.sort((a, b) =>
    a.activation === b.activation
      ? a.segment < b.segment
        ? -1
        : 1
      : a.activation === '' || (b.activation !== '' && a.activation > b.activation)
        ? 1
        : -1,
  )
}

function report(outcomes: readonly RunOutcome[], workdir: string, io: Io): string {
  const sum = (details: readonly Detail[], count: string): number | null =>
    details.length === 0 ? null : details.reduce((total, detail) => total + (detail.counts?.[count] ?? 0), 0)
  const rows = rowsOf(outcomes).map(({ segment, activation, evaluated, exported, imported }) => {
    const files = exported?.files ?? []
    const rowCount = files.reduce((total, file) => total + file.rows, 0)
    const file = exported?.held
      ? `held: ${exported.held}`
      : files.length === 0
        ? exported
          ? '(no change)'
          : ''
        : `${files[0]!.name}${files.length > 1 ? ` +${files.length - 1}` : ''}`
    return [
      segment,
      activation,
      exported?.members ?? evaluated?.members ?? null,
      evaluated?.entered ?? null,
      evaluated?.exited ?? null,
      file,
      exported ? rowCount : null,
      files.length === 0 ? null : imported.length > 0 ? sum(imported, 'rowsRead') : rowCount,
      sum(imported, 'updated'),
      sum(imported, 'rejected'),
    ]
  })
  const parts: string[] = []
  if (rows.length > 0)
    parts.push(
      table(
        ['Segment', 'Activation', 'members', 'entered', 'exited', 'file', 'rows', 'delivered', 'updated', 'rejected'],
        rows,
      ),
    )
  const seconds = outcomes.reduce((total, outcome) => total + outcome.seconds, 0)
  const warnings = outcomes.flatMap((outcome) =>
    outcome.steps.flatMap((step) =>
      (step.warnings ?? []).map((warning) => `! ${step.step} ${outcome.target.name}: ${warning.message}`),
    ),
  )
  const failed = outcomes.flatMap((outcome) =>
    outcome.steps.flatMap((step) =>
      step.error ? [`✗ ${step.step} ${outcome.target.name}: ${step.error.message}`] : [],
    ),
  )
  if (warnings.length > 0)
    parts.push(
      [
        ...warnings.slice(0, 10),
        ...(warnings.length > 10 ? [`  … and ${warnings.length - 10} more in the reports`] : []),
      ].join('\n'),
    )
  if (failed.length > 0) parts.push(failed.join('\n'))
  parts.push(
    `${outcomes.length} ${outcomes.length === 1 ? 'run' : 'runs'} in ${seconds.toFixed(1)} s; plans and inputs are in ${relative(io.cwd, workdir) || '.'}/runs`,
  )
  return `${parts.join('\n\n')}\n`
}
