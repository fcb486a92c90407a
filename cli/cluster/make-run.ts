import { randomUUID } from 'node:crypto'
import {
  annotations,
  apiVersion,
  isRunnable,
  kinds,
  parseDurationSeconds,
  type Resource,
  type Run,
  type RunnableKind,
  runNameOf,
  runnableKinds,
} from '#crds'
import { adHocRefusal } from '#protocol'
import { type Command, choice, exitCodes, type Io, text, UsageError, type Values } from '../command.ts'
import { wholeSeconds } from '../instants.ts'
import { type Cluster, inNamespace, openCluster, pathOf, resourcesOf } from '../kubernetes.ts'
import { endOf, follow } from './follow.ts'
import { didYouMean, kindAndName } from './kind-name.ts'
import { conditionOf, isFinished, stateOf } from './resources.ts'

/** Runs `run TARGET` and `run --retry RUN`. */
export async function runInCluster({ positionals, values, io }: Parameters<Command['run']>[0]): Promise<number> {
  const retry = text(values, 'retry')
  const [target, ...more] = positionals
  if (retry === null ? target === undefined || more.length > 0 : target !== undefined)
    throw new UsageError(
      retry === null
        ? `Name one Activation, ProfileStore/NAME or CampaignSource/NAME to run in the cluster; files are run on this machine with --workdir DIR and --volumes DIR.`
        : '--retry takes one Run and no target.',
    )
  const evaluation = text(values, 'evaluation') === null ? null : choice(values, 'evaluation', ['Batch', 'Streaming'])
  const cluster = await openCluster(values)
  if (retry !== null) return retried(cluster, retry, values, io)
  const { kind, name } = await kindAndName(target ?? '', 'Activation')
  if (!isRunnable(kind)) throw new UsageError(`A ${kind} is not run; there are ${runnableKinds.join(', ')}.`)
  if (evaluation !== null && kind !== 'ProfileStore')
    throw new UsageError('--evaluation is for a ProfileStore; the others have no evaluation.')
  const found = await existing(cluster, kind, name)
  const segments = (found.status as { readonly segments?: number } | undefined)?.segments ?? 0
  const refusal = kind === 'Activation' ? adHocRefusal(name, segments) : null
  if (refusal !== null) throw new UsageError(refusal)
  return started(cluster, found, { evaluation: kind === 'ProfileStore' ? (evaluation ?? 'Batch') : null }, values, io)
}

/** A resource in the cluster's namespace; throws UsageError with the likely name where it is missing. */
export async function existing<K extends RunnableKind>(
  cluster: Cluster,
  kind: K,
  name: string,
): Promise<Extract<Resource, { kind: K }>> {
  const found = await cluster.get<Extract<Resource, { kind: K }>>(pathOf(kind, cluster.namespace, name))
  if (found) return found
  const lists = await Promise.all(
    runnableKinds.map(async (each) => [each, await resourcesOf(cluster, each, [cluster.namespace])] as const),
  )
  const namesOf = (wanted: string): string[] =>
    lists.flatMap(([each, list]) => (each === wanted ? list.map(({ metadata }) => metadata.name) : []))
  const other = runnableKinds.find((each) => each !== kind && namesOf(each).includes(name))
  throw new UsageError(
    `There is no ${kind} \`${name}\` in namespace \`${cluster.namespace}\`.${other ? ` There is ${other}/${name}.` : await didYouMean(name, namesOf(kind))}`,
  )
}

/** A Run in the cluster's namespace, with or without `Run/` before its name; throws UsageError where it is missing. */
export async function existingRun(cluster: Cluster, given: string, io: Io): Promise<Run> {
  const name = given.replace(/^runs?\//i, '')
  const run = await cluster.get<Run>(pathOf('Run', cluster.namespace, name))
  if (run) return run
  const names = (await resourcesOf(cluster, 'Run', [cluster.namespace])).map(({ metadata }) => metadata.name)
  throw new UsageError(
    `There is no Run \`${name}\` in namespace \`${cluster.namespace}\`.${await didYouMean(name, names)} \`${io.program} status ${kinds.Run.plural}\` lists them.`,
  )
}

/** Makes a manual Run of the target, prints its name, and follows it if asked to. */
export async function started(
  cluster: Cluster,
  { kind, metadata }: Resource & { readonly kind: RunnableKind },
  spec: { readonly evaluation: 'Batch' | 'Streaming' | null; readonly approved?: readonly string[] },
  values: Values,
  io: Io,
): Promise<number> {
  const timeoutSeconds = timeoutOf(values)
  const slot = new Date(wholeSeconds(io.now()))
  const name = runNameOf({ kind, name: metadata.name, evaluation: spec.evaluation, slot, request: randomUUID() })
  const made = await cluster.create<Run>(pathOf('Run', cluster.namespace), {
    apiVersion,
    kind: 'Run',
    metadata: { name, namespace: cluster.namespace },
    spec: {
      target: { kind, name: metadata.name, ...(metadata.uid === undefined ? {} : { uid: metadata.uid }) },
      scheduledTime: wholeSeconds(slot),
      trigger: 'Manual',
      ...(spec.evaluation === null ? {} : { evaluation: spec.evaluation }),
      ...(spec.approved === undefined ? {} : { approved: spec.approved }),
    },
  })
  return told(cluster, made, { before: null, requestedAt: null, timeoutSeconds }, values, io)
}

async function retried(cluster: Cluster, name: string, values: Values, io: Io): Promise<number> {
  const timeoutSeconds = timeoutOf(values)
  const run = await existingRun(cluster, name, io)
  const state = stateOf(run)
  if (state !== 'failed')
    throw new UsageError(
      isFinished(run)
        ? `The Run \`${name}\` has succeeded; there is nothing to retry. \`${io.program} run ${run.spec.target.kind}/${run.spec.target.name}\` makes a new one.`
        : `The Run \`${name}\` is not finished (${state}); only a failed one is retried.`,
    )
  if (run.status?.steps?.at(-1)?.outcome !== 'Failed')
    throw new UsageError(
      `No step of the Run \`${name}\` failed (${conditionOf(run, 'succeeded')?.reason}); \`${io.program} run ${run.spec.target.kind}/${run.spec.target.name}\` makes a new one.`,
    )
  const requestedAt = io.now().toISOString()
  await cluster.patch<Run>(pathOf('Run', cluster.namespace, run.metadata.name), {
    metadata: { annotations: { [annotations.requestedAt]: requestedAt } },
  })
  return told(cluster, run, { before: run, requestedAt, timeoutSeconds }, values, io)
}

async function told(
  cluster: Cluster,
  run: Run,
  following: {
    readonly before: Run | null
    readonly requestedAt: string | null
    readonly timeoutSeconds: number | null
  },
  values: Values,
  io: Io,
): Promise<number> {
  const { name } = run.metadata
  const output = choice(values, 'output', ['text', 'json'])
  if (output === 'text') io.out(`Run/${name}\n`)
  if (values['wait'] !== true) {
    if (output === 'json') io.out(`${JSON.stringify(run, null, 2)}\n`)
    if (io.isTerminal) io.err(`\`${io.program} logs ${name} -f${inNamespace(cluster)}\` follows it.\n`)
    return exitCodes.fine
  }
  const ended = await follow(cluster, { name, ...following }, io)
  if (ended === null) return exitCodes.findings
  const { text: end, code } = endOf(ended, inNamespace(cluster), io)
  io.out(output === 'json' ? `${JSON.stringify(ended, null, 2)}\n` : end)
  return code
}

function timeoutOf(values: Values): number | null {
  const given = text(values, 'timeout')
  if (given === null) return null
  const seconds = parseDurationSeconds(given)
  if (seconds === null) throw new UsageError(`--timeout takes a duration like 90s or 2h, not \`${given}\`.`)
  if (values['wait'] !== true) throw new UsageError('--timeout is for --wait.')
  return seconds
}
