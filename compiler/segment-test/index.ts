export { type Coverage, coverageOf, type LeafCoverage } from './coverage.ts'
export { type Reason, reasonsOf } from './reason.ts'
export { type CaseResult, type Engine, reference, runCase, type StepResult } from './run.ts'
export { type Case, faultDiagnosticsOf, type Suite } from './suite.ts'
