import { resolve } from 'node:path'
import { type Step, steps } from '#crds'
import { type Command, type OptionSpec, text, texts, UsageError, type Values } from '../command.ts'
import { databasesOf } from '../databases.ts'
import { readPlan, readRunInput } from '../job-documents.ts'
import { progressLine } from '../progress.ts'
import { type Attempt, attempted, exitCodeOf, namespaceOf, printed } from '../step-report.ts'

export const stepOptions = {
  plan: {
    type: 'string',
    value: 'PATH',
    help: 'JobPlan as `convoke compile` writes it, or the folder its ConfigMaps are mounted into',
  },
  run: { type: 'string', value: 'FILE', help: 'RunInput: run, scheduledTime, now, trigger, …' },
  volumes: { type: 'string', value: 'DIR', help: 'a claim is the folder of its name there (default: /volumes)' },
  'termination-log': {
    type: 'string',
    value: 'FILE',
    help: "in a Pod: the report without details goes there, at most 4 KiB, and whole into the log's last lines",
  },
} as const satisfies Record<string, OptionSpec>

/** The command of a container: plan and run input in, RunReport out (standard output, and the Pod's termination message). */
export function stepCommand(step: Step): Command {
  return {
    summary: `One job step: ${steps[step].summary}`,
    usage: `${step} --plan PATH --run FILE [--volumes DIR] [--secrets DIR]`,
    description: 'Safe to kill and to repeat with the same files. The RunReport goes to standard output.',
    options: {
      ...stepOptions,
      secrets: { type: 'string', value: 'DIR', help: 'a secret key is the file NAME/KEY there (default: /secrets)' },
      database: {
        type: 'string',
        multiple: true,
        value: 'INSTANCE=URL',
        help: "use that PostgreSQL, as its sslmode says, instead of the plan's host and secret",
      },
    },
    exits:
      '0 Succeeded or Held, 1 Failed and another try may help, 64 Failed and another try unchanged cannot help, 2 wrong use or unreadable input',
    examples: [`convoke ${step} --plan plan.json --run run.json --volumes .work/volumes`],
    run: async ({ values, io }) => {
      const input = readRunInput(required(values, 'run', 'FILE'), io)
      const attempt: Attempt = { step, input, terminationLog: text(values, 'termination-log') }
      const report = await attempted(attempt, io, async (open) => {
        const plan = readPlan(required(values, 'plan', 'PATH'), io)
        // DuckDB and the clients of stores and databases are loaded only by steps that use them.
        const [{ steps: work }, { portsFor }] = await Promise.all([import('#jobs'), import('../ports.ts')])
        const line = progressLine(io)
        open.defer(line.clear)
        const ports = open.use(
          portsFor(
            {
              volumes: resolve(io.cwd, text(values, 'volumes') ?? '/volumes'),
              secrets: resolve(io.cwd, text(values, 'secrets') ?? '/secrets'),
              databases: databasesOf(texts(values, 'database')),
              scratchParent: null,
            },
            io,
            line.show,
            namespaceOf(attempt, plan),
          ),
        )
        return work[step]({ plan, input, ports })
      })
      printed(report, attempt, io)
      return exitCodeOf(report)
    },
  }
}

export function required(values: Values, option: string, value: string): string {
  const given = text(values, option)
  if (given === null) throw new UsageError(`--${option} ${value} is missing.`)
  return given
}
