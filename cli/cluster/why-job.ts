import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  apiVersion,
  container,
  labels,
  managedBy,
  type Pod,
  type ProfileStore,
  restricted,
  type Segment,
  shortened,
} from '#crds'
import { type Io, text, UsageError, type Values } from '../command.ts'
import { lengthOf, rfc3339 } from '../instants.ts'
import { type Cluster, inNamespace, openCluster, pathOf, resourcesOf } from '../kubernetes.ts'
import { progressLine } from '../progress.ts'
import { sealingKeys, unsealed } from '../seal.ts'
import type { Answer } from '../why.ts'
import { didYouMean } from './kind-name.ts'
import { badEndOf, logOf, podsOf, waitingFor } from './pods.ts'
import { conditionOf } from './resources.ts'

const pollMilliseconds = 500
/** Includes scheduling and pulling an image. */
const patienceSeconds = 300
/** What is left when this process is killed is deleted by Kubernetes after this. */
const keptSeconds = 300
const folder = '/convoke/why'

export type Question = { readonly segment: string; readonly who: string; readonly at: Date }

type Job = {
  readonly metadata: { readonly name: string; readonly creationTimestamp?: string; readonly labels?: Labels }
  readonly spec: { readonly template: { readonly spec: PodSpec } }
}
type Labels = Readonly<Record<string, string>>
type PodSpec = {
  readonly containers: readonly { readonly image?: string; readonly [field: string]: unknown }[]
  readonly [field: string]: unknown
}

/** Asks the store's volume by a short-lived Job. The Job is deleted afterwards, with the Secret that holds the question. */
export async function answerInCluster({ segment, who, at }: Question, values: Values, io: Io): Promise<Answer> {
  const cluster = await openCluster(values)
  const { store, segments } = await definitionsFor(cluster, segment, io)
  const like = await jobLike(cluster, store.metadata.name)
  const image = text(values, 'image') ?? like?.spec.template.spec.containers[0]?.image
  if (image === undefined)
    throw new UsageError(
      `No Job of Convoke in namespace \`${cluster.namespace}\` tells which image to run; name one with --image.`,
    )
  const keys = sealingKeys()
  const name = shortened(`why-${segment}-${randomBytes(4).toString('hex')}`)
  const secrets = `/api/v1/namespaces/${cluster.namespace}/secrets`
  const jobs = `/apis/batch/v1/namespaces/${cluster.namespace}/jobs`
  const line = progressLine(io)
  try {
    await cluster.create(secrets, {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name, labels: { [labels.managedBy]: 'convoke-cli' } },
      stringData: {
        // The person's id is in no command line that others may read, and the answer in no log.
        person: who,
        'key.pem': keys.publicPem,
        'resources.json': JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [store, ...segments] }),
      },
    })
    const job = await cluster.create<{ readonly metadata: { readonly uid: string } }>(
      jobs,
      jobOf({ name, image, segment, at, claimName: store.spec.storage.volume.claimName, like }),
    )
    const owner = { apiVersion: 'batch/v1', kind: 'Job', name, uid: job.metadata.uid }
    await cluster.patch(`${secrets}/${name}`, { metadata: { ownerReferences: [owner] } })
    const log = await logOfJob(cluster, name, io, (words) =>
      line.show({ step: 'why', subject: words, done: 0, total: null, unit: '' }),
    )
    line.clear()
    const answer = unsealed(log, keys.privateKey)
    if (answer === null) throw new UsageError(`The Pod gave no answer. It said:\n${log.trim() || 'nothing'}`)
    const read: Answer | { readonly error: string } = JSON.parse(answer)
    if ('error' in read) throw new UsageError(read.error)
    return read
  } finally {
    line.clear()
    await cluster.remove(`${jobs}/${name}`)
    await cluster.remove(`${secrets}/${name}`)
  }
}

/** The store, and the Segments that the answer depends on, as they are evaluated. */
async function definitionsFor(
  cluster: Cluster,
  name: string,
  io: Io,
): Promise<{ readonly store: ProfileStore; readonly segments: readonly Segment[] }> {
  const found = await cluster.get<Segment>(pathOf('Segment', cluster.namespace, name))
  if (!found) {
    const names = (await resourcesOf(cluster, 'Segment', [cluster.namespace])).map(({ metadata }) => metadata.name)
    throw new UsageError(
      `There is no Segment \`${name}\` in namespace \`${cluster.namespace}\`.${await didYouMean(name, names)}`,
    )
  }
  const storeName = found.spec.profileStoreRef.name
  const [store, all, { compileObjects }] = await Promise.all([
    cluster.get<ProfileStore>(pathOf('ProfileStore', cluster.namespace, storeName)),
    resourcesOf(cluster, 'Segment', [cluster.namespace]),
    import('#compiler'),
  ])
  if (!store)
    throw new UsageError(`There is no ProfileStore \`${storeName}\`, to which the Segment \`${name}\` belongs.`)
  const own = all.filter(({ spec }) => spec.profileStoreRef.name === storeName).map((each) => asEvaluated(each))
  if (own.some((each) => each.isEarlier && each.segment.metadata.name === name))
    io.err(
      '! The expression of the Segment has an error; it is evaluated, and explained here, by the latest one without.\n',
    )
  const { model } = compileObjects([store, ...own.map(({ segment }) => segment)])
  const needed = new Set([name])
  for (const each of needed)
    for (const other of model.segmentNamed(cluster.namespace, each)?.references ?? []) needed.add(other)
  if (!model.segmentNamed(cluster.namespace, name)?.condition)
    throw new UsageError(
      `The Segment \`${name}\` does not compile; \`${io.program} status Segment/${name}${inNamespace(cluster)}\` says why.`,
    )
  return {
    store: bare(store),
    segments: own.flatMap(({ segment }) => (needed.has(segment.metadata.name) ? [bare(segment)] : [])),
  }
}

/** The Segment as it is evaluated: while its expression has an error, with the latest one that had none. */
function asEvaluated(segment: Segment): { readonly segment: Segment; readonly isEarlier: boolean } {
  const accepted = segment.status?.acceptedExpression
  if (conditionOf(segment, 'guardrailsPassed')?.status !== 'False' || accepted === undefined)
    return { segment, isEarlier: false }
  return { segment: { ...segment, spec: { ...segment.spec, expression: accepted } }, isEarlier: true }
}

function bare<R extends ProfileStore | Segment>({ kind, metadata, spec }: R): R {
  const { name, namespace } = metadata
  // The same kind, without fields that nobody reads.
  return { apiVersion, kind, metadata: { name, namespace }, spec } as R
}

/** A Job whose Pod got onto a node with the store's volume, as a model: the newest of the store, or of any; null: there is none. */
async function jobLike(cluster: Cluster, store: string): Promise<Job | null> {
  const found = await cluster.list<Job>(`/apis/batch/v1/namespaces/${cluster.namespace}/jobs`, {
    labelSelector: `${labels.managedBy}=${managedBy}`,
  })
  const rank = ({ metadata }: Job): string =>
    `${metadata.labels?.[labels.target] === store ? 1 : 0} ${metadata.creationTimestamp ?? ''}`
  return [...(found ?? [])].sort((a, b) => (rank(a) > rank(b) ? -1 : 1))[0] ?? null
}

function jobOf({
  name,
  image,
  segment,
  at,
  claimName,
  like,
}: {
  readonly name: string
  readonly image: string
  readonly segment: string
  readonly at: Date
  readonly claimName: string
  readonly like: Job | null
}): object {
  const {
    nodeSelector,
    tolerations,
    affinity,
    imagePullSecrets,
    priorityClassName,
    serviceAccountName,
    securityContext,
  }: Readonly<Record<string, unknown>> = like?.spec.template.spec ?? {}
  const { imagePullPolicy, resources } = like?.spec.template.spec.containers[0] ?? {}
  const placed = { nodeSelector, tolerations, affinity, imagePullSecrets, priorityClassName, serviceAccountName }
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name, labels: { [labels.managedBy]: 'convoke-cli' } },
    spec: {
      backoffLimit: 0,
      activeDeadlineSeconds: patienceSeconds,
      ttlSecondsAfterFinished: keptSeconds,
      template: {
        metadata: { labels: { [labels.managedBy]: 'convoke-cli' } },
        spec: {
          restartPolicy: 'Never',
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          ...placed,
          securityContext: securityContext ?? restricted.pod,
          containers: [
            {
              name: container,
              image,
              imagePullPolicy,
              resources,
              args: [
                'why',
                segment,
                `@${folder}/person`,
                `${folder}/resources.json`,
                '--volumes',
                '/volumes',
                '--at',
                rfc3339(at),
                '--seal',
                `${folder}/key.pem`,
              ],
              securityContext: restricted.container,
              volumeMounts: [
                { name: 'why', mountPath: folder, readOnly: true },
                { name: 'scratch', mountPath: '/tmp' },
                { name: 'store', mountPath: `/volumes/${claimName}`, readOnly: true },
              ],
            },
          ],
          volumes: [
            { name: 'why', secret: { secretName: name, defaultMode: 0o440 } },
            { name: 'scratch', emptyDir: {} },
            { name: 'store', persistentVolumeClaim: { claimName } },
          ],
        },
      },
    },
  }
}

/** What the Job's Pod wrote, once it has ended. */
async function logOfJob(cluster: Cluster, job: string, io: Io, show: (words: string) => void): Promise<string> {
  const started = io.now().getTime()
  let waiting = 'no Pod yet'
  while (true) {
    const pod: Pod | undefined = (await podsOf(cluster, job)).at(-1)
    if (pod) {
      waiting = waitingFor(pod) ?? 'running'
      if (pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed') {
        const lines = await logOf(cluster, pod, { follow: false, tail: null, timestamps: false }, io.signal)
        const log: string[] = []
        for await (const each of lines ?? []) log.push(each)
        const badEnd = badEndOf(pod)
        if (log.length === 0 && badEnd !== null) throw new UsageError(`The Pod was ended without an answer: ${badEnd}.`)
        return log.join('\n')
      }
    }
    show(waiting)
    const seconds = (io.now().getTime() - started) / 1000
    if (io.signal.aborted) throw new UsageError('Not waiting any longer; the Job is deleted.')
    if (seconds > patienceSeconds)
      throw new UsageError(
        `No answer within ${lengthOf(patienceSeconds * 1000)}; the Job is deleted. Its Pod waited: ${waiting}.`,
      )
    await sleep(pollMilliseconds, undefined, { signal: io.signal }).catch(() => undefined)
  }
}
