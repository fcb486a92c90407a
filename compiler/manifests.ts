import type { JobPlan } from '#crds'

/**
 * The ConfigMap that carries a plan to its jobs: immutable, named by the plan's digest, so that a changed resource never touches a Run
 * in flight.
 */
export function planConfigMap(plan: JobPlan): object {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: `plan-${plan.digest.slice('sha256:'.length, 'sha256:'.length + 40)}`,
      namespace: plan.target.namespace,
      labels: {
        'app.kubernetes.io/managed-by': 'convoke',
        'convoke.dev/target-kind': plan.target.kind,
        'convoke.dev/target': plan.target.name,
      },
    },
    immutable: true,
    data: { 'plan.json': JSON.stringify(plan) },
  }
}
