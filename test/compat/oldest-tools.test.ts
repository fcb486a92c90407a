import { testOnOldest } from './oldest.ts'

testOnOldest({
  'the chart': () => import('../chart/render.test.ts'),
  "the organization's limits": () => import('../chart/admission.test.ts'),
  "the operator's rights": () => import('../chart/rights.test.ts'),
  'kubectl convoke status': () => import('../plugin/status.test.ts'),
  'kubectl convoke run': () => import('../plugin/run.test.ts'),
  'the command line beside the operator': () => import('../plugin/operator.test.ts'),
})
