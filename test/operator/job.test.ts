// Jobs as the operator makes them, tried on a real API server: all of them is stored as it was sent.
import { describe, expect, test } from 'vitest'
import { type JobPlan, stepsOf } from '#crds'
import { compileObjects } from '../../compiler/index.ts'
import { type JobDefaults, jobOf, type PodTemplate } from '../../operator/job.ts'
import { openCluster } from '../api/convoke.ts'
import { lostOf } from '../cluster/api.ts'
import { bundle, changed, exampleOf } from '../crds/documents.ts'
import { plainJobs } from './harness.ts'

const cluster = await openCluster()

const table: readonly (readonly [title: string, defaults: JobDefaults, podTemplate: PodTemplate])[] = [
  ['nothing more', plainJobs, {}],
  [
    'all that options and a Pod template can say',
    {
      ...plainJobs,
      imagePullSecrets: ['registry', 'mirror'],
      priorityClassName: 'system-cluster-critical',
      serviceAccountName: 'audiences',
    },
    {
      labels: { 'kueue.x-k8s.io/queue-name': 'nightly' },
      annotations: { 'cluster-autoscaler.kubernetes.io/safe-to-evict': 'false' },
      nodeSelector: { 'kubernetes.io/os': 'linux' },
      serviceAccountName: 'own',
      tolerations: [
        { key: 'batch', operator: 'Exists' },
        { key: 'spot', operator: 'Equal', value: 'yes', effect: 'NoExecute', tolerationSeconds: 60 },
      ],
      resources: { requests: { cpu: '500m', memory: '512Mi' }, limits: { memory: '1Gi' } },
    },
  ],
]

describe.skipIf(cluster === null)('an API server', () => {
  test.each(table)('stores every Job with %s as it was sent', async (_, defaults, podTemplate) => {
    const namespace = await cluster!.namespace()
    const tried: string[] = []
    for (const plan of plans())
      for (const step of stepsOf(plan))
        for (const reprint of [false, true]) {
          const job = jobOf({
            defaults,
            run: { namespace, name: `run-${plan.target.name}`, uid: '00000000-0000-0000-0000-000000000000' },
            target: plan.target,
            step,
            attempt: 1,
            plan,
            planParts: ['plan-0', 'plan-1'],
            podTemplate,
            reprint,
          })
          const path = `/apis/batch/v1/namespaces/${namespace}/jobs?dryRun=All&fieldValidation=Strict`
          const { status, body, warnings } = await cluster!.api('POST', path, { body: job })
          expect([step, status, warnings], JSON.stringify(body)).toEqual([step, 201, []])
          expect(lostOf(job, body)).toEqual([])
          tried.push(step)
        }
    expect([...new Set(tried)].sort()).toEqual(['evaluate', 'export', 'extract', 'import', 'ingest'])
  })
})

/** With claims and Secrets of every sort. */
function plans(): readonly JobPlan[] {
  const s3 = { bucket: 'landing', region: 'eu-central-1', credentialsSecretRef: { name: 'bucket' } }
  const destination = changed(exampleOf('Destination'), ['spec.location', { s3 }])
  const { plans, diagnostics } = compileObjects([...bundle().filter(({ kind }) => kind !== 'Destination'), destination])
  expect(diagnostics.filter(({ severity }) => severity === 'error')).toEqual([])
  return plans
}
