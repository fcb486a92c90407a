import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { RunReport } from '#crds'
import { type Command, exitCodes, text, texts, UsageError } from '../command.ts'
import { databasesOf } from '../databases.ts'
import { readPlan, readRunInput } from '../job-documents.ts'
import { progressLine } from '../progress.ts'

const summaries = {
  ingest: 'One job step: read Datasets into the ProfileStore',
  extract: "One job step: read Campaign's logs into the ProfileStore",
  evaluate: 'One job step: evaluate all Segments of a ProfileStore in one shared scan',
  export: "One job step: deliver an Activation's files",
  import: "One job step: load delivered files into Campaign's database",
} as const satisfies Record<RunReport['step'], string>

/** What the containers run: plan and run input in, RunReport out (standard output, and the Pod's termination message). */
export function stepCommand(step: RunReport['step']): Command {
  return {
    summary: summaries[step],
    usage: `${step} --plan PATH --run FILE [--volumes DIR] [--secrets DIR]`,
    description: 'Safe to kill and to repeat with the same files. The RunReport goes to standard output.',
    options: {
      plan: {
        type: 'string',
        value: 'PATH',
        help: 'JobPlan as `convoke compile` writes it, or the folder its ConfigMaps are mounted into',
      },
      run: { type: 'string', value: 'FILE', help: 'RunInput: run, scheduledTime, now, trigger, …' },
      volumes: { type: 'string', value: 'DIR', help: 'a claim is the folder of its name there (default: /volumes)' },
      secrets: { type: 'string', value: 'DIR', help: 'a secret key is the file NAME/KEY there (default: /secrets)' },
      database: {
        type: 'string',
        multiple: true,
        value: 'INSTANCE=URL',
        help: "use that PostgreSQL instead of the plan's host and secret",
      },
      'termination-log': {
        type: 'string',
        value: 'FILE',
        help: 'also write the report without details there, at most 4 KiB',
      },
    },
    examples: [`convoke ${step} --plan plan.json --run run.json --volumes .work/volumes`],
    run: async ({ values, io }) => {
      const plan = readPlan(required(text(values, 'plan'), '--plan PATH'), io)
      const input = readRunInput(required(text(values, 'run'), '--run FILE'), io)
      // DuckDB and the clients of stores and databases are loaded only by what works with them.
      const [{ steps }, { portsFor }] = await Promise.all([import('#jobs'), import('../ports.ts')])
      const line = progressLine(io)
      using ports = portsFor(
        {
          volumes: resolve(io.cwd, text(values, 'volumes') ?? '/volumes'),
          secrets: resolve(io.cwd, text(values, 'secrets') ?? '/secrets'),
          databases: databasesOf(texts(values, 'database')),
          scratchParent: null,
        },
        io,
        line.show,
      )
      const report = await steps[step]({ plan, input, ports })
      line.clear()
      io.out(`${JSON.stringify(report, null, 2)}\n`)
      const log = text(values, 'termination-log')
      if (log) writeFileSync(resolve(io.cwd, log), terminationMessage(report))
      if (report.error) io.err(`convoke ${step}: ${report.error.message}\n`)
      return report.outcome === 'Failed' ? exitCodes.findings : exitCodes.fine
    },
  }
}

/** The report without details; a long error message is cut so that the whole stays within Kubernetes' 4 KiB. */
function terminationMessage(report: RunReport): string {
  const { details: _, warnings: __, ...short } = report
  const message = JSON.stringify(short)
  if (Buffer.byteLength(message) <= 4096 || !short.error) return message
  return JSON.stringify({ ...short, error: { ...short.error, message: `${short.error.message.slice(0, 1000)}…` } })
}

function required(value: string | null, option: string): string {
  if (value === null) throw new UsageError(`${option} is missing.`)
  return value
}
