// Runs ingest and evaluate in the workspace folder given as the argument, printing a line per progress, until done or killed.
import { evaluate } from '../../jobs/evaluate/evaluate.ts'
import { ingest } from '../../jobs/ingest/ingest.ts'
import { killInput, killPlan } from './kill-plan.ts'
import { openWorkspace } from './workspace.ts'

const [folder = '', day = ''] = process.argv.slice(2)
const { ports } = await openWorkspace(folder)
const context = {
  plan: killPlan,
  input: killInput(day),
  ports: { ...ports, progress: (progress: object) => process.stdout.write(`${JSON.stringify(progress)}\n`) },
}
for (const step of [ingest, evaluate]) {
  const report = await step(context)
  if (report.outcome !== 'Succeeded') {
    process.stderr.write(JSON.stringify(report))
    process.exit(1)
  }
}
