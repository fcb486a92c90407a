// A child process that runs one step and may be killed: node run-step.ts '{"step", "plan", "input", "surroundings"}'
import { steps } from '../../jobs/steps.ts'
import { portsOf } from '../stores/ports.ts'

const { step, plan, input, surroundings } = JSON.parse(process.argv[2]!)
// The argument is a test's own.
const run = steps[step as keyof typeof steps]
console.log('started')
const report = await run({ plan, input, ports: portsOf(surroundings) })
console.log(JSON.stringify(report))
