import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { JobError, type Ports, type Progress } from '#jobs'
import type { Io } from './command.ts'

export type Places = {
  /** The folder in which each claim is a folder with the claim's name. */
  readonly volumes: string
  /** The folder in which a secret's key is the file NAME/KEY; null where none was given. */
  readonly secrets: string | null
  /** Connection URLs by CampaignInstance. */
  readonly databases: ReadonlyMap<string, string>
  /** Parent of the scratch folder; null: the system's own. */
  readonly scratchParent: string | null
}

/**
 * The real surroundings of a job in this process. Dispose of it to remove its temporary files. In a Pod, `namespace` is where people are
 * told to create what is missing.
 */
export function portsFor(
  places: Places,
  io: Io,
  progress: (progress: Progress) => void,
  namespace: string | null = null,
): Ports & Disposable {
  const parent = places.scratchParent ?? tmpdir()
  mkdirSync(parent, { recursive: true })
  sweep(parent)
  const scratch = mkdtempSync(join(parent, `${ownPrefix}${process.pid}-`))
  return {
    now: io.now,
    claim: (claimName) => {
      const folder = join(places.volumes, claimName)
      if (!existsSync(folder)) throw missingVolume(claimName, folder, namespace)
      return folder
    },
    secret: (name, key) => {
      const file = places.secrets === null ? null : join(places.secrets, name, key)
      if (file === null || !existsSync(file)) throw missingSecret(name, key, places.secrets, namespace)
      return readFileSync(file, 'utf8').replace(/\r?\n$/, '')
    },
    scratch,
    progress,
    database: (instance) => places.databases.get(instance) ?? null,
    signal: io.signal,
    [Symbol.dispose]: () => rmSync(scratch, { recursive: true, force: true }),
  }
}

/**
 * Prefix of scratch folders of processes on this machine; another container that shares the folder has another host name and process ids.
 */
const ownPrefix = `convoke-${hostname().replaceAll(/[^A-Za-z0-9]/g, '')}-`

/** Removes what killed processes left there. What cannot be removed is somebody else's. */
function sweep(parent: string): void {
  for (const name of readdirSync(parent)) {
    if (!name.startsWith(ownPrefix)) continue
    const pid = Number(/^(\d+)-/.exec(name.slice(ownPrefix.length))?.[1])
    if (!(pid > 0) || isAlive(pid)) continue
    try {
      rmSync(join(parent, name), { recursive: true, force: true })
    } catch {}
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

function missingVolume(claimName: string, folder: string, namespace: string | null): JobError {
  return new JobError(
    'MissingVolume',
    namespace === null
      ? `There is no volume for the claim \`${claimName}\`: make the folder \`${folder}\`, or give another one with --volumes.`
      : `The PersistentVolumeClaim \`${claimName}\` is not mounted in this Pod. Look whether it is there and bound: \`kubectl -n ${namespace} get pvc ${claimName}\`; else create it with the access mode its Pods need.`,
  )
}

function missingSecret(name: string, key: string, secrets: string | null, namespace: string | null): JobError {
  const folder = secrets === null ? null : join(secrets, name)
  // An optional Secret that is missing is mounted as an empty folder.
  const isThere = folder !== null && existsSync(folder) && readdirSync(folder).some((entry) => !entry.startsWith('.'))
  const message =
    namespace !== null
      ? isThere
        ? `The Secret \`${name}\` has no key \`${key}\`. Add it: \`kubectl -n ${namespace} patch secret ${name} -p '{"stringData":{"${key}":"…"}}'\`.`
        : `There is no Secret \`${name}\` with the key \`${key}\`. Create it: \`kubectl -n ${namespace} create secret generic ${name} --from-file=${key}=FILE\`, with a \`--from-file\` for each key.`
      : folder === null
        ? `The key \`${key}\` of the secret \`${name}\` is needed: put it into the file DIR/${name}/${key} and give --secrets DIR.`
        : `The secret \`${name}\` has no key \`${key}\`: put it into the file \`${join(folder, key)}\`.`
  return new JobError('MissingSecret', message)
}
