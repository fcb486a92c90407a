import { testOnOldest } from './oldest.ts'

testOnOldest({
  'lists, watches and leases': () => import('../kernel/api-server.test.ts'),
  'what is older than the operator': () => import('../operator/skew.test.ts'),
  Jobs: () => import('../operator/job.test.ts'),
  'the whole way': () => import('../operator/road.test.ts'),
  'the webhook': () => import('../operator/admission.test.ts'),
})
