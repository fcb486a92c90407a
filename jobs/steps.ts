import type { RunReport, Step } from '#crds'
import type { StepContext } from './step.ts'

/**
 * Every step by name. Each is loaded with what it needs only when it is run: an import loads no columnar engine, an evaluation no
 * database client.
 */
export const steps: Record<Step, (context: StepContext) => Promise<RunReport>> = {
  ingest: async (context) => (await import('./ingest/ingest.ts')).ingest(context),
  extract: async (context) => (await import('./extract/index.ts')).extract(context),
  evaluate: async (context) => (await import('./evaluate/evaluate.ts')).evaluate(context),
  export: async (context) => (await import('./export/index.ts')).exportSegments(context),
  import: async (context) => (await import('./import/index.ts')).importFiles(context),
}
