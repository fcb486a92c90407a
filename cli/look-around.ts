import { join } from 'node:path'
import type { Compilation } from '#compiler'
import type { JobPlan } from '#crds'
import type { Ports } from '#jobs'
import type { Knowledge } from '#views'
import { campaignDatabases } from './campaign-databases.ts'
import type { Io } from './command.ts'
import { knowledgeOf } from './knowledge.ts'
import { portsFor } from './ports.ts'
import type { ProgressLine } from './progress.ts'
import { isWorkDirectory, type Whereabouts } from './whereabouts.ts'
import { baselinesOf, openWorkDirectory } from './work-directory.ts'

export type Seen = {
  readonly knowledge: Knowledge
  readonly ports: Ports
  /** The Run whose delivered set is acknowledged, by Segment, of an Activation. */
  readonly baselinesOf: (activation: JobPlan['target']) => Readonly<Record<string, string>>
}

export type Look = {
  readonly where: Whereabouts
  readonly at: Date
  /** Whether to find what only pictures need, which costs a look at every person. */
  readonly isWhole: boolean
  /** Whether the databases of a work directory are opened. */
  readonly asksCampaign?: boolean
}

/**
 * Opens what a project has at hand (volumes, and databases that were named or lie in a work directory), looks at it and hands it to
 * `then`. Nothing is run or changed; without volumes nothing is known.
 */
export async function lookAround<T>(
  compilation: Compilation,
  { where, at, isWhole, asksCampaign = isWhole }: Look,
  io: Io,
  line: ProgressLine,
  then: (seen: Seen | null) => Promise<T>,
): Promise<T> {
  const { volumes, workdir, secrets, databases: named } = where
  if (volumes === null) return then(null)
  const { plans } = compilation
  using work = isWorkDirectory(workdir) ? openWorkDirectory(workdir, io.now) : null
  await using databases = work
    ? campaignDatabases({ plans, workdir: work.path, volumes, named, say: line.say, show: line.show })
    : null
  const places = {
    volumes,
    secrets,
    databases: databases?.urls ?? named,
    scratchParent: work ? join(work.path, 'scratch') : null,
  }
  using ports = portsFor(places, io, line.show)
  if (asksCampaign && databases)
    await databases.open(plans.filter((plan) => plan.import && databases.isThere(plan.import.instance)))
  const knowledge = await knowledgeOf(
    {
      compilation,
      outcomes: [],
      at: new Date(at.getTime() + 1),
      baselinesOf: ({ namespace, name }) => (work ? baselinesOf(work, namespace, name) : {}),
      isWhole,
    },
    ports,
  )
  line.clear()
  // Awaited here, since everything that was opened is closed with this function.
  return await then({
    knowledge,
    ports,
    baselinesOf: ({ namespace, name }) => (work ? baselinesOf(work, namespace, name) : {}),
  })
}
