import { expect, test } from 'vitest'
import { apiOf, lostOf } from '../cluster/api.ts'
import { oldestKubernetes } from '../cluster/binaries.ts'
import { kubeconfig, testOnOldest } from './oldest.ts'

test.skipIf(kubeconfig === null)('is that version, and what it drops without a word is seen', async () => {
  const api = await apiOf(kubeconfig!)
  const { body } = await api<{ readonly gitVersion: string }>('GET', '/version')
  expect(body.gitVersion).toBe(oldestKubernetes)
  // Known there, and held back by a feature gate until the next minor version.
  const job = {
    metadata: { name: 'job' },
    spec: {
      managedBy: 'example.com/somebody-else',
      template: { spec: { restartPolicy: 'Never', containers: [{ name: 'job', image: 'none' }] } },
    },
  }
  const path = '/apis/batch/v1/namespaces/default/jobs?dryRun=All&fieldValidation=Strict'
  const { status, body: stored } = await api('POST', path, { body: job })
  expect([status, lostOf(job, stored)]).toEqual([201, ['spec.managedBy: "example.com/somebody-else", not undefined']])
})

testOnOldest({
  'the CRDs': () => import('../api/definitions.test.ts'),
  'what is applied': () => import('../api/apply.test.ts'),
  verdicts: () => import('../api/verdicts.test.ts'),
})
