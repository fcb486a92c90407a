import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type JobPlan, type RunInput, validatorOf } from '#crds'
import { digestOfPlan, isPartName, partName, unpackedPlan } from '#protocol'
import { type Io, UsageError } from './command.ts'

/**
 * The plan that a step is given: a JSON file, or a folder into which its ConfigMaps are mounted (`plan.json.gz.000`, …). Throws
 * UsageError for a plan that cannot be read, is not of this version, or (in parts) does not match its digest.
 */
export function readPlan(path: string, io: Io): JobPlan {
  const full = resolve(io.cwd, path)
  if (!isFolder(full)) return checked<JobPlan>('JobPlan', path, () => readFileSync(full, 'utf8'))
  const plan = checked<JobPlan>('JobPlan', path, () => joined(full))
  const found = digestOfPlan(plan)
  if (found !== plan.digest)
    throw new UsageError(
      `\`${path}\` holds a JobPlan that says it is ${plan.digest} but is ${found}: it was changed on its way. Mount the ConfigMaps that \`convoke compile\` makes, unchanged.`,
    )
  return plan
}

export function readRunInput(path: string, io: Io): RunInput {
  return checked<RunInput>('RunInput', path, () => readFileSync(resolve(io.cwd, path), 'utf8'))
}

/** The plan's parts joined. Mounted files are links into a folder of their own, `..data`, so only names of parts count. */
function joined(folder: string): string {
  const names = readdirSync(folder).filter(isPartName).sort()
  const missing = Array.from({ length: Math.max(names.length, 1) }, (_, index) => partName(index)).find(
    (name) => !names.includes(name),
  )
  if (missing !== undefined)
    throw new Error(`there is no ${missing} in it; mount every ConfigMap of the plan into this folder`)
  try {
    return unpackedPlan(names.map((name) => readFileSync(join(folder, name))))
  } catch (error) {
    throw new Error(
      `its ${names.length} parts are not one whole plan (${messageOf(error)}); mount every ConfigMap of the plan into this folder`,
    )
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
}

function checked<T>(kind: 'JobPlan' | 'RunInput', path: string, read: () => string): T {
  let value: unknown
  try {
    value = JSON.parse(read())
  } catch (error) {
    throw new UsageError(`\`${path}\` cannot be read as a ${kind}: ${messageOf(error)}.`)
  }
  const [fault] = validatorOf(kind)(value)
  if (fault)
    throw new UsageError(
      `\`${path}\` is not a ${kind} this version understands: ${fault.instancePath || 'the document'} ${fault.message}.`,
    )
  return value as T // as validated above
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
