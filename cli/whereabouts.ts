import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type Io, type OptionSpec, text, texts, UsageError, type Values } from './command.ts'
import { databasesOf } from './databases.ts'
import { readConfig } from './sources.ts'

/** Where the data of a project are on this machine: as options say, else convoke.toml. Paths are absolute. */
export type Whereabouts = {
  /** The folder in which a claim is the folder of its name. */
  readonly volumes: string | null
  readonly workdir: string | null
  readonly secrets: string | null
  /** CampaignInstance → connection URL. */
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

/** Options win over convoke.toml. A folder of volumes that is not there is wrong use; a work directory may be made later. */
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

/** The folder of volumes, for what cannot do without. */
export function neededVolumes({ volumes }: Whereabouts): string {
  if (volumes === null) throw new UsageError('--volumes DIR is missing; `volumes` of convoke.toml can say it too.')
  return volumes
}

/** Whether something was run in a work directory. */
export function isWorkDirectory(workdir: string | null): workdir is string {
  return workdir !== null && existsSync(join(workdir, 'state.json'))
}
