import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { JobPlan } from '#crds'
import { type EmbeddedPostgres, ensureLogTables, ensureTarget, type Progress, startEmbeddedPostgres } from '#jobs'

/** The databases of CampaignInstances, for commands on this machine. */
export type CampaignDatabases = AsyncDisposable & {
  /** Connection URLs by CampaignInstance: of databases that were named, and of those that were opened. */
  readonly urls: ReadonlyMap<string, string>
  /**
   * Opens databases that these plans need and that were not named: embedded servers, with the tables that any plan of the instance needs.
   */
  readonly open: (plans: readonly JobPlan[]) => Promise<void>
  /** Whether an instance has an embedded database already. */
  readonly isThere: (instance: string) => boolean
}

/** Opens databases on demand. An instance's table is made from the target mapping and filled from `campaign/INSTANCE/TABLE.csv`, once. */
export function campaignDatabases({
  plans,
  workdir,
  volumes,
  named,
  say,
  show,
}: {
  /** All plans of the project. */
  readonly plans: readonly JobPlan[]
  /** Absolute path; the servers keep their data under it. */
  readonly workdir: string
  readonly volumes: string
  readonly named: ReadonlyMap<string, string>
  readonly say: (line: string) => void
  readonly show: (progress: Progress) => void
}): CampaignDatabases {
  const urls = new Map(named)
  const servers: EmbeddedPostgres[] = []
  const folderOf = (instance: string): string => join(workdir, 'postgres', instance)
  return {
    urls,
    isThere: (instance) => existsSync(folderOf(instance)),
    open: async (wanted) => {
      for (const plan of wanted) {
        const instance = plan.import?.instance ?? plan.extract?.instance
        if (instance === undefined || urls.has(instance)) continue
        show({ step: 'database', subject: `PostgreSQL for ${instance}`, done: 0, total: null, unit: 'starting' })
        const server = await startEmbeddedPostgres({ folder: folderOf(instance), log: say })
        servers.push(server)
        const csvOf = (table: string): string | null => {
          const csv = join(volumes, 'campaign', instance, `${table}.csv`)
          return existsSync(csv) ? csv : null
        }
        // Every plan of the instance may need its tables, not only the first.
        for (const each of plans) {
          if (each.import?.instance === instance)
            await ensureTarget(server.url, each.import, csvOf(each.import.target.table))
          if (each.extract?.instance === instance) await ensureLogTables(server.url, each.extract, csvOf)
        }
        urls.set(instance, server.url)
      }
    },
    async [Symbol.asyncDispose]() {
      for (const server of servers) await server.stop()
    },
  }
}
