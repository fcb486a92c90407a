import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { JobError } from '../../jobs/errors.ts'
import type { Ports } from '../../jobs/ports.ts'

/** What a test says about its surroundings; plain data, so that it can be handed to a child process. */
export type Surroundings = {
  /** A claim is the folder of its name in here. */
  readonly volumes?: string
  readonly secrets?: Readonly<Record<string, Readonly<Record<string, string>>>>
  readonly databases?: Readonly<Record<string, string>>
  /** The process's clock, the real one where absent. */
  readonly now?: string
}

export function portsOf({ volumes, secrets = {}, databases = {}, now }: Surroundings): Ports {
  return {
    now: () => (now === undefined ? new Date() : new Date(now)),
    claim: (name) => {
      const folder = join(volumes ?? '/nowhere', name)
      if (!existsSync(folder))
        throw new JobError('MissingVolume', `There is no folder ${folder} for the claim ${name}.`)
      return folder
    },
    secret: (name, key) => {
      const value = secrets[name]?.[key]
      if (value === undefined) throw new JobError('MissingSecret', `The secret ${name} has no key ${key}.`)
      return value
    },
    // A killed child cannot tidy up, so its scratch goes with the test's own folder.
    scratch: volumes === undefined ? scratchOfProcess() : mkdtempSync(join(volumes, 'scratch-')),
    progress: () => {},
    database: (instance) => databases[instance] ?? null,
    signal: new AbortController().signal,
  }
}

let scratch: string | null = null

function scratchOfProcess(): string {
  if (scratch === null) {
    const folder = mkdtempSync(join(tmpdir(), 'convoke-scratch-'))
    process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
    scratch = folder
  }
  return scratch
}
