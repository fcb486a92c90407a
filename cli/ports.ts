import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { JobError, type Ports, type Progress } from '#jobs'
import type { Io } from './command.ts'

export type Places = {
  /** Folder in which a claim is the folder of its name. */
  readonly volumes: string
  /** Folder in which a secret's key is the file NAME/KEY; null where none was given. */
  readonly secrets: string | null
  /** CampaignInstance → connection URL. */
  readonly databases: ReadonlyMap<string, string>
  /** Parent of the scratch folder; null for the system's own. */
  readonly scratchParent: string | null
}

/** The real surroundings of a job in this process. Dispose of it to remove its temporary files. */
export function portsFor(places: Places, io: Io, progress: (progress: Progress) => void): Ports & Disposable {
  const parent = places.scratchParent ?? tmpdir()
  mkdirSync(parent, { recursive: true })
  const scratch = mkdtempSync(join(parent, 'convoke-'))
  return {
    now: io.now,
    claim: (claimName) => {
      const folder = join(places.volumes, claimName)
      if (!existsSync(folder))
        throw new JobError(
          'MissingVolume',
          `There is no volume for the claim \`${claimName}\`: make the folder \`${folder}\`, or give another one with --volumes.`,
        )
      return folder
    },
    secret: (name, key) => {
      if (places.secrets === null)
        throw new JobError(
          'MissingSecret',
          `The key \`${key}\` of the secret \`${name}\` is needed: put it into the file DIR/${name}/${key} and give --secrets DIR.`,
        )
      const file = join(places.secrets, name, key)
      if (!existsSync(file))
        throw new JobError(
          'MissingSecret',
          `The secret \`${name}\` has no key \`${key}\`: put it into the file \`${file}\`.`,
        )
      return readFileSync(file, 'utf8').replace(/\r?\n$/, '')
    },
    scratch,
    progress,
    database: (instance) => places.databases.get(instance) ?? null,
    signal: io.signal,
    [Symbol.dispose]: () => rmSync(scratch, { recursive: true, force: true }),
  }
}
