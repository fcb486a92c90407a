import { compileObjects } from '#compiler'
import type { Dataset, ProfileStore, Resource, Run, RunReport, Segment } from '#crds'
import { type Knowledge, type Outcome, type RunDocument, runDocument, runReport } from '#views'
import type { Io } from '../command.ts'
import { type Cluster, resourcesIn } from '../kubernetes.ts'
import { readConfig } from '../sources.ts'

/** What a Pod reported of one step of a Run; null where only the Run itself remembers the step. */
export type SteppedReport = { readonly step: string; readonly report: RunReport | null }

/** The page of one Run in a cluster: what its steps said, and the state of its Segments by their statuses. */
export async function runPage(cluster: Cluster, run: Run, reports: readonly SteppedReport[], io: Io): Promise<string> {
  const { namespace } = cluster
  const objects = (await resourcesIn(cluster, [namespace])) as readonly Resource[] // checked by the API server
  const compilation = compileObjects(objects, readConfig(io).options)
  const outcome = outcomeOf(run, namespace, reports)
  const at = new Date(run.status?.finishedAt ?? run.status?.now ?? run.spec.now ?? run.spec.scheduledTime)
  const document = runDocument({
    compilation,
    at,
    outcomes: [outcome],
    notices: [],
    knowledge: knowledgeIn(objects, namespace),
  })
  return runReport(about(run, document), { where: `${run.metadata.name}, ${namespace}`, isPart: true })
}

/** The document, without everything that this Run did nothing for. */
function about({ spec: { target } }: Run, document: RunDocument): RunDocument {
  const own = document.segments.filter((row) =>
    target.kind === 'Activation' ? row.activation === target.name : row.store === target.name,
  )
  // An evaluation delivers nothing: each Segment has one row, without its ways to Campaign.
  const once = new Map(
    own.map((row) => [
      row.segment,
      target.kind === 'Activation' ? row : { ...row, activation: null, standing: null, held: null },
    ]),
  )
  const errors = document.findings.filter(({ kind, name }) => kind !== 'Segment' || once.has(name ?? ''))
  return { ...document, segments: [...once.values()], findings: errors }
}

function outcomeOf(run: Run, namespace: string, reports: readonly SteppedReport[]): Outcome {
  const { spec, status, metadata } = run
  const steps = (status?.steps ?? []).flatMap((step): RunReport[] => {
    const told = reports.filter((each) => each.step === step.name && each.report !== null).at(-1)?.report
    if (told) return [told]
    if (step.outcome === undefined) return []
    const { outcome, attempt = 1, startedAt = spec.scheduledTime, finishedAt = startedAt, totals = {} } = step
    return [
      {
        step: step.name,
        run: metadata.name,
        attempt,
        outcome,
        startedAt,
        finishedAt,
        totals,
        details: step.name === 'export' ? remembered(run) : [],
        ...(outcome === 'Failed' && {
          error: { reason: (step.reason ?? 'InternalError') as never, message: step.message ?? '', retryable: true },
        }),
      },
    ]
  })
  const seconds =
    status?.startedAt && status.finishedAt ? (Date.parse(status.finishedAt) - Date.parse(status.startedAt)) / 1000 : 0
  const { kind, name } = spec.target
  return {
    run: metadata.name,
    target: { kind, namespace, name },
    evaluation: kind === 'ProfileStore' ? (spec.evaluation ?? 'Batch') : null,
    scheduledTime: spec.scheduledTime,
    steps,
    seconds,
  }
}

/** What a Run remembers of each Segment when the Pod that reported it is gone. */
function remembered({ status }: Run): NonNullable<RunReport['details']> {
  return (status?.segments ?? []).map(({ segment, members, realized, exited, backfill, manifest, held }) => ({
    segment,
    ...(members !== undefined && { members }),
    ...(realized !== undefined && { realized }),
    ...(exited !== undefined && { exited }),
    ...(backfill !== undefined && { backfill }),
    ...(manifest !== undefined && { manifest }),
    ...(held !== undefined && { held }),
  }))
}

/** What the statuses of stores, Datasets and Segments say. */
function knowledgeIn(objects: readonly Resource[], namespace: string): Knowledge {
  const of = <K extends Resource['kind']>(kind: K): readonly Extract<Resource, { kind: K }>[] =>
    objects.filter((each): each is Extract<Resource, { kind: K }> => each.kind === kind)
  const stores = of('ProfileStore') as readonly ProfileStore[]
  return {
    stores: stores.map(({ metadata, status }) => {
      const segments = (of('Segment') as readonly Segment[]).filter(
        ({ spec }) => spec.profileStoreRef.name === metadata.name,
      )
      const evaluated = segments.flatMap(({ metadata: { name }, status: own }) =>
        own?.members === undefined || own.lastEvaluatedTime === undefined
          ? []
          : [
              {
                at: own.lastEvaluatedTime,
                segment: name,
                digest: own.digest ?? '',
                members: own.members,
                entered: own.entered ?? 0,
                exited: own.exited ?? 0,
              },
            ],
      )
      const times = [...Map.groupBy(evaluated, ({ at }) => at)].sort(([a], [b]) => (a < b ? -1 : 1))
      return {
        namespace,
        name: metadata.name,
        profiles: status?.profiles ?? 0,
        events: status?.events ?? 0,
        leftOut: { eventsPerProfile: 0, identitiesPerProfile: 0 },
        datasets: (of('Dataset') as readonly Dataset[])
          .filter(({ spec }) => spec.profileStoreRef.name === metadata.name)
          .map(({ metadata: { name }, status: own }) => ({
            name,
            files: own?.files ?? 0,
            records: own?.records ?? 0,
            badRows: own?.rejected ?? 0,
            newestFile: null,
            newestEvent: null,
          })),
        evaluations: times.map(([evaluatedAt, all]) => ({ evaluation: 'Batch' as const, evaluatedAt, segments: all })),
        people: null,
        eventsOfOnePerson: null,
        turnover: new Map(),
      }
    }),
    activations: [],
    gaps: [],
  }
}
