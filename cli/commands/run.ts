import { existsSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { type Compilation, renderText, summaryText } from '#compiler'
import type { Knowledge, Outcome } from '#views'
import { type Command, choice, exitCodes, type Io, instant, UsageError } from '../command.ts'
import { clusterOptions } from '../kubernetes.ts'
import { progressLine } from '../progress.ts'
import { projectName, reportFile, reportOption, writeReport } from '../report-file.ts'
import type { Notice } from '../run.ts'
import { runText } from '../run-text.ts'
import { compilePaths, readConfig } from '../sources.ts'
import { neededVolumes, volumesOption, whereabouts, workdirOption } from '../whereabouts.ts'

export const command: Command = {
  summary: 'Run a target in the cluster now; or, of files, the whole way in one process',
  operands: ['TARGET'],
  usage: 'run TARGET [--wait]  |  run --retry RUN [--wait]  |  run [PATH…] --workdir DIR --volumes DIR [--at TIME]',
  description:
    'In the cluster: makes a manual Run of TARGET, that is an Activation, ProfileStore/NAME or CampaignSource/NAME, and says its name; with --wait\n' +
    'it tells what the steps do and ends as the Run does.\n\n' +
    'With --workdir, or where convoke.toml says it, on this machine: runs what is due at --at and was not run in this work directory yet. A claim is the folder of its name under --volumes. A CampaignInstance\n' +
    'with a database gets an embedded PostgreSQL under the work directory, unless --database names one; its target table is made from the target\n' +
    'mapping and filled from VOLUMES/campaign/INSTANCE/TABLE.csv where that exists.',
  options: {
    ...clusterOptions,
    wait: { type: 'boolean', help: 'until the Run is finished; exit code 1 where it failed' },
    timeout: { type: 'string', value: 'DURATION', help: 'wait no longer than that, for example 30m' },
    evaluation: {
      type: 'string',
      value: 'WHICH',
      words: ['Batch', 'Streaming'],
      help: 'of a ProfileStore: Batch (default) or Streaming',
    },
    retry: { type: 'string', value: 'RUN', help: 'try a failed Run again, from the step that failed' },
    workdir: workdirOption,
    volumes: volumesOption,
    at: { type: 'string', value: 'TIME', help: 'the evaluation instant of every step (default: now)' },
    secrets: { type: 'string', value: 'DIR', help: 'a secret key is the file NAME/KEY there' },
    database: {
      type: 'string',
      multiple: true,
      value: 'INSTANCE=URL',
      help: 'use that PostgreSQL for a CampaignInstance; without sslmode, TLS is verified unless it is on this machine',
    },
    report: reportOption('writes what was done, and what is so now, as a page to look at'),
    output: { type: 'string', short: 'o', value: 'FORMAT', words: ['text', 'json'], help: 'text (default) or json' },
  },
  examples: [
    'convoke run win-back --wait',
    'convoke run ProfileStore/readers --evaluation Streaming',
    'convoke run examples/minimal --workdir .work/minimal --volumes examples/minimal/volumes --at 2026-01-15T12:00:00Z --report run.html',
    'convoke run . --workdir .work --volumes /mnt --database production=postgres://convoke@db/campaign -o json',
  ],
  run: async (args) => {
    const here = localOptions.filter((name) => args.values[name] !== undefined)
    const there = remoteOptions.filter((name) => args.values[name] !== undefined)
    if (here[0] !== undefined && there[0] !== undefined)
      throw new UsageError(
        `--${here[0]} runs files on this machine, --${there[0]} a target in the cluster; give one of them.`,
      )
    if (here.length > 0) return runHere(args)
    const path = args.positionals.find((each) => isPath(each, args.io))
    if (there.length === 0 && (path !== undefined || args.positionals.length === 0)) {
      // A project whose convoke.toml says where its data are needs no options.
      const { workdir, volumes } = readConfig(args.io)
      if (workdir !== null && volumes !== null) return runHere(args)
    }
    if (path !== undefined)
      throw new UsageError(
        `\`${path}\` is a path: to run it on this machine, give --workdir DIR and --volumes DIR. A target in the cluster is also KIND/NAME.`,
      )
    const { runInCluster } = await import('../cluster/make-run.ts')
    return runInCluster(args)
  },
}

const localOptions = ['workdir', 'volumes', 'at', 'secrets', 'database', 'report'] as const
const remoteOptions = ['kubeconfig', 'context', 'namespace', 'wait', 'timeout', 'evaluation', 'retry'] as const

function isPath(text: string, io: Io): boolean {
  return text === '-' || /^\.|\.ya?ml$|\.json$|[*?{]/.test(text) || existsSync(resolve(io.cwd, text))
}

async function runHere({ positionals, values, io }: Parameters<Command['run']>[0]): Promise<number> {
  const where = whereabouts(values, io)
  if (where.workdir === null) throw new UsageError('--workdir DIR is missing.')
  const { workdir, secrets, databases: named } = where
  const volumes = neededVolumes(where)
  const at = instant(values, 'at') ?? io.now()
  const output = choice(values, 'output', ['text', 'json'])
  const page = reportFile(values, io)

  const { input, compilation } = compilePaths(positionals, io)
  const { diagnostics } = compilation
  if (diagnostics.length > 0)
    io.err(
      `${renderText(diagnostics, input.sources, { colour: io.colour, width: io.columns })}\n${summaryText(diagnostics, compilation.count)}\n`,
    )
  const isFaulty = diagnostics.some((diagnostic) => diagnostic.severity === 'error')

  // A document and a page tell everything, the table only what was done.
  const isWhole = output === 'json' || page !== null
  const { outcomes, notices, knowledge } =
    isFaulty && !existsSync(workdir)
      ? { outcomes: [], notices: [], knowledge: { stores: [], activations: [], gaps: [] } }
      : await runAndLook(compilation, { at, workdir, volumes, secrets, named, isFaulty, isWhole }, io)
  const { runDocument, runReport } = await import('#views')
  const document = runDocument({ compilation, at, outcomes, notices, knowledge })
  if (output === 'json')
    io.out(
      `${JSON.stringify({ ...document, ...(isFaulty && { error: 'The resources have errors; nothing was run.' }) }, null, 2)}\n`,
    )
  else if (isFaulty) io.err('Nothing was run: correct the errors above first.\n')
  else if (outcomes.length === 0 && notices.length === 0)
    io.out(`Nothing is due at ${at.toISOString()} that was not run before.\n`)
  else io.out(runText(document, relative(io.cwd, workdir) || '.', io))
  const isWritten = page === null || writeReport(page, runReport(document, { where: projectName(positionals, io) }), io)
  return isFaulty || !isWritten || outcomes.some((outcome) => outcome.steps.some((step) => step.outcome === 'Failed'))
    ? exitCodes.findings
    : exitCodes.fine
}

type Wanted = {
  readonly at: Date
  readonly workdir: string
  readonly volumes: string
  readonly secrets: string | null
  readonly named: ReadonlyMap<string, string>
  readonly isFaulty: boolean
  readonly isWhole: boolean
}

/** Runs what is due, unless the resources have errors, and reads what is known afterwards. */
async function runAndLook(
  compilation: Compilation,
  { at, workdir, volumes, secrets, named, isFaulty, isWhole }: Wanted,
  io: Io,
): Promise<{
  readonly outcomes: readonly Outcome[]
  readonly notices: readonly Notice[]
  readonly knowledge: Knowledge
}> {
  const [{ runDue }, { baselinesOf, openWorkDirectory }, { campaignDatabases }, { portsFor }, { knowledgeOf }] =
    await Promise.all([
      import('../run.ts'),
      import('../work-directory.ts'),
      import('../campaign-databases.ts'),
      import('../ports.ts'),
      import('../knowledge.ts'),
    ])
  const { plans } = compilation
  using work = openWorkDirectory(workdir, io.now)
  const line = progressLine(io)
  await using databases = campaignDatabases({ plans, workdir, volumes, named, say: line.say, show: line.show })
  const places = {
    volumes,
    secrets,
    databases: databases.urls,
    scratchParent: join(workdir, 'scratch'),
  }
  const { runs: outcomes, notices } = isFaulty
    ? { runs: [], notices: [] }
    : await runDue(compilation, at, work, places, databases, io, line)
  using ports = portsFor(places, io, line.show)
  // What was not due has lists in Campaign too.
  if (isWhole) await databases.open(plans.filter((plan) => plan.import && databases.isThere(plan.import.instance)))
  const knowledge = await knowledgeOf(
    {
      compilation,
      outcomes,
      at,
      baselinesOf: ({ namespace, name }) => baselinesOf(work, namespace, name),
      isWhole,
    },
    ports,
  )
  line.clear()
  return { outcomes, notices, knowledge }
}
