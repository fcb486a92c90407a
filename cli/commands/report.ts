import { resolve } from 'node:path'
import { stepNames } from '#crds'
import { type Command, choice, exitCodes, text } from '../command.ts'
import { readPlan, readRunInput } from '../job-documents.ts'
import { type Attempt, attempted, exitCodeOf, inLines, namespaceOf } from '../step-report.ts'
import { required, stepOptions } from './step.ts'

export const command: Command = {
  summary: 'Print again what an attempt of a job step reported, from the ProfileStore',
  usage: 'report --plan PATH --run FILE --step STEP [--volumes DIR]',
  description:
    'One line for each detail behind `convoke-detail: `, then the report behind `convoke-report: `, as a step in a Pod ends its log.',
  options: { ...stepOptions, step: { type: 'string', value: 'STEP', words: stepNames, help: stepNames.join(', ') } },
  exits:
    '0 printed, 1 there is no such report or it is damaged, 64 the plan is unreadable, 2 wrong use or unreadable input',
  examples: ['convoke report --plan plan.json --run run.json --step export --volumes .work/volumes'],
  run: async ({ values, io }) => {
    required(values, 'step', 'STEP')
    const step = choice(values, 'step', stepNames)
    const input = readRunInput(required(values, 'run', 'FILE'), io)
    const attempt: Attempt = { step, input, terminationLog: text(values, 'termination-log') }
    let isStored = false
    const report = await attempted(attempt, io, async (open) => {
      const plan = readPlan(required(values, 'plan', 'PATH'), io)
      const [{ storedReport }, { portsFor }] = await Promise.all([import('#jobs'), import('../ports.ts')])
      const volumes = resolve(io.cwd, text(values, 'volumes') ?? '/volumes')
      const places = { volumes, secrets: null, databases: new Map(), scratchParent: null }
      const ports = open.use(portsFor(places, io, () => {}, namespaceOf(attempt, plan)))
      const stored = storedReport(step, { plan, input, ports })
      isStored = true
      return stored
    })
    inLines(report, attempt, io)
    return isStored ? exitCodes.fine : exitCodeOf(report)
  },
}
