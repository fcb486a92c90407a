import { container, type JobPlan, labels, managedBy, mountsOf, restricted, type SpecOf, type Step } from '#crds'
import { jobNameOf } from '#protocol'

/** What all Jobs have in common, from the operator's options. */
export type JobDefaults = {
  readonly image: string
  readonly imagePullPolicy: 'Always' | 'IfNotPresent' | 'Never'
  readonly imagePullSecrets: readonly string[]
  readonly priorityClassName: string | null
  /** The service account of Pods whose template names none; null: the namespace's `default`. Pods never get an API token. */
  readonly serviceAccountName: string | null
  /** A step that takes longer than this is ended and fails. */
  readonly activeDeadlineSeconds: number
}

export type JobRequest = {
  readonly defaults: JobDefaults
  readonly run: { readonly namespace: string; readonly name: string; readonly uid: string }
  readonly target: { readonly kind: string; readonly name: string }
  readonly step: Step
  readonly attempt: number
  readonly plan: JobPlan
  /** Names of the ConfigMaps that hold the plan. */
  readonly planParts: readonly string[]
  readonly podTemplate: PodTemplate
  /** Makes the step print its stored report again instead of doing its work. */
  readonly reprint?: boolean
}

export type PodTemplate = NonNullable<SpecOf<'Destination'>['podTemplate']>

/** How often a Pod that ended without a report, such as one killed for its memory, is made anew. */
const backoffLimit = 2
/** Exit codes of a step that wrote a report: whether it is tried again is decided by whoever reads that report. */
const reportedExitCodes = [1, 2, 64]

/** The ConfigMap with the RunInput of one step and attempt. */
export function inputNameOf(run: string, step: Step, attempt: number): string {
  return `${run}-${step}-${attempt}`
}

export function jobOf({
  defaults,
  run,
  target,
  step,
  attempt,
  plan,
  planParts,
  podTemplate,
  reprint = false,
}: JobRequest) {
  const ownLabels = {
    [labels.managedBy]: managedBy,
    [labels.targetKind]: target.kind,
    [labels.target]: target.name,
    [labels.run]: run.name,
    [labels.step]: step,
  }
  const { claims, secrets } = mountsOf(plan, step)
  const args = [
    '--plan',
    '/convoke/plan',
    '--run',
    '/convoke/run/run.json',
    '--termination-log',
    '/dev/termination-log',
  ]
  const { resources, nodeSelector, tolerations, serviceAccountName = defaults.serviceAccountName } = podTemplate
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: jobNameOf(run.name, step, attempt, reprint),
      namespace: run.namespace,
      // The labels of the user's Pod template go on the Job as well: Kueue looks there.
      labels: { ...podTemplate.labels, ...ownLabels },
      ownerReferences: [ownerOf('Run', run)],
    },
    spec: {
      backoffLimit,
      activeDeadlineSeconds: defaults.activeDeadlineSeconds,
      // Two Pods of one step never write at the same time: a new one is made only when the old one has ended.
      podReplacementPolicy: 'Failed',
      podFailurePolicy: {
        // The first rule that fits counts. A step whose Pod is drained ends in order, and is begun again elsewhere.
        rules: [
          { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
          {
            action: 'FailJob',
            onExitCodes: { containerName: container, operator: 'In', values: reportedExitCodes },
          },
        ],
      },
      template: {
        metadata: { labels: { ...podTemplate.labels, ...ownLabels }, annotations: { ...podTemplate.annotations } },
        spec: {
          restartPolicy: 'Never',
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          ...(serviceAccountName !== null && { serviceAccountName }),
          ...(nodeSelector && { nodeSelector }),
          ...(tolerations && { tolerations }),
          ...(defaults.priorityClassName !== null && { priorityClassName: defaults.priorityClassName }),
          ...(defaults.imagePullSecrets.length > 0 && {
            imagePullSecrets: defaults.imagePullSecrets.map((name) => ({ name })),
          }),
          securityContext: restricted.pod,
          containers: [
            {
              name: container,
              image: defaults.image,
              imagePullPolicy: defaults.imagePullPolicy,
              args: reprint ? ['report', '--step', step, ...args] : [step, ...args],
              resources: resourcesOf(resources),
              terminationMessagePath: '/dev/termination-log',
              // Where a step could not write its report, the end of its log says more than nothing.
              terminationMessagePolicy: 'FallbackToLogsOnError',
              securityContext: restricted.container,
              volumeMounts: [
                { name: 'plan', mountPath: '/convoke/plan', readOnly: true },
                { name: 'run', mountPath: '/convoke/run', readOnly: true },
                { name: 'scratch', mountPath: '/tmp' },
                ...claims.map((claim, index) => ({ name: `claim-${index}`, mountPath: `/volumes/${claim}` })),
                ...secrets.map((secret, index) => ({
                  name: `secret-${index}`,
                  mountPath: `/secrets/${secret}`,
                  readOnly: true,
                })),
              ],
            },
          ],
          volumes: [
            { name: 'plan', projected: { sources: planParts.map((name) => ({ configMap: { name } })) } },
            { name: 'run', configMap: { name: inputNameOf(run.name, step, attempt) } },
            { name: 'scratch', emptyDir: { sizeLimit: scratchOf(resources) } },
            ...claims.map((claimName, index) => ({ name: `claim-${index}`, persistentVolumeClaim: { claimName } })),
            // Optional to the Pod, since the step itself says which Secret or key is missing; a waiting Pod would say nothing.
            ...secrets.map((secretName, index) => ({
              name: `secret-${index}`,
              secret: { secretName, optional: true, defaultMode: 0o440 },
            })),
          ],
        },
      },
    },
  }
}

/** What a Pod requests where its template requests nothing: without requests it would be BestEffort, the first to be evicted. */
const leastRequests = { cpu: '100m', memory: '256Mi' } as const
/** Room for DuckDB's spilling and for unpacked files; a template that limits `ephemeral-storage` sets this itself. */
const scratchSize = '20Gi'

type Resources = NonNullable<PodTemplate['resources']>

/** The requests and limits of a Pod; a limit without a request is the request as well. */
function resourcesOf({ requests, limits }: Resources = {}): Resources {
  const missing = Object.entries(leastRequests).filter(
    ([name]) => requests?.[name] === undefined && limits?.[name] === undefined,
  )
  const all = { ...Object.fromEntries(missing), ...requests }
  return { ...(Object.keys(all).length > 0 && { requests: all }), ...(limits && { limits }) }
}

function scratchOf({ limits }: Resources = {}): string | number {
  return limits?.['ephemeral-storage'] ?? scratchSize
}

/** The controlling owner for an object made for this resource. The owner's deletion need not wait for the object's. */
export function ownerOf(kind: string, { name, uid }: { readonly name: string; readonly uid: string }) {
  return { apiVersion: 'convoke.dev/v1alpha1', kind, name, uid, controller: true, blockOwnerDeletion: false }
}
