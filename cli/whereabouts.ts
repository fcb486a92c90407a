import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type Io, type OptionSpec, text, texts, UsageError, type Values } from './command.ts'
import { databasesOf } from './databases.ts'
import { readConfig } from './sources.ts'

/** Where a project's data are on this machine: as options say, else as convoke.toml says. Paths are absolute. */
export type Whereabouts = {
  /** The folder in which each claim is a folder with the claim's name. */
  readonly volumes: string | null
  readonly workdir: string | null
  readonly secrets: string | null
  /** Connection URLs by CampaignInstance. */
  readonly databases: ReadonlyMap<string, string>
}

export const volumesOption: OptionSpec = {
  type: 'string',
  value: 'DIR',
  help: 'a claim is the folder of its name there (default: `volumes` of convoke.toml)',
}

export const workdirOption: OptionSpec = {
  type: 'string',
  value: 'DIR',
  help: 'what `convoke run` remembers, and its embedded databases (default: `workdir` of convoke.toml)',
}

/** Options of commands that look at data. */
export const whereOptions = {
  volumes: volumesOption,
  workdir: workdirOption,
  secrets: { type: 'string', value: 'DIR', help: 'a secret key is the file NAME/KEY there' },
  database: {
    type: 'string',
    multiple: true,
    value: 'INSTANCE=URL',
    help: "that CampaignInstance's PostgreSQL; read only",
  },
} as const satisfies Readonly<Record<string, OptionSpec>>

/** Options win over convoke.toml. Throws UsageError where the folder of volumes is missing; a work directory may be made later. */
export function whereabouts(values: Values, io: Io): Whereabouts {
  const config = readConfig(io)
  const folder = (name: 'volumes' | 'workdir'): string | null => {
    const given = text(values, name) ?? config[name]
    return given === null ? null : resolve(io.cwd, given)
  }
  const volumes = folder('volumes')
  if (volumes !== null && !existsSync(volumes))
    throw new UsageError(`The volumes folder \`${volumes}\` does not exist.`)
  const secrets = text(values, 'secrets')
  const given = [...Object.entries(config.database).map((entry) => entry.join('=')), ...texts(values, 'database')]
  return {
    volumes,
    workdir: folder('workdir'),
    secrets: secrets === null ? null : resolve(io.cwd, secrets),
    databases: databasesOf(given),
  }
}

/** The folder of volumes, for commands that need it; throws UsageError where there is none. */
export function neededVolumes({ volumes }: Whereabouts): string {
  if (volumes === null) throw new UsageError('--volumes DIR is missing; `volumes` of convoke.toml can say it too.')
  return volumes
}

/** Whether something was run in a work directory. */
export function isWorkDirectory(workdir: string | null): workdir is string {
  return workdir !== null && existsSync(join(workdir, 'state.json'))
}
