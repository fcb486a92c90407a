import { type RunReport, type StorePlan, visible } from '#crds'
import { JobError } from './errors.ts'
import { comparedAsWritten } from './merge/identities.ts'
import type { Ports } from './ports.ts'
import { type DataManifest, readDataManifest, storeRootOf } from './profile-store.ts'

type Note = Required<NonNullable<RunReport['warnings']>[number]>

/** What somebody should know of a store's data, as its latest ingest left it; empty for a store without data. Reads only. */
export function storeNotes(store: StorePlan, ports: Ports): readonly Note[] {
  const data = manifestOf(store, ports)
  if (!data) return []
  const ofDatasets = Object.entries(data.sources).flatMap(([dataset, { refused = {}, expectations = {} }]) => [
    ...Object.entries(refused).map(([file, { message, approvable }]) => ({
      code: 'refused-file',
      message: `Dataset ${dataset}: ${visible(file)} is refused: ${message}${approvable ? ` Correct it, or let it pass: \`convoke approve Dataset/${dataset}\`.` : ''}`,
    })),
    ...Object.entries(expectations)
      .filter(([, { met }]) => !met)
      .map(([name, { message }]) => ({
        code: 'unmet-expectation',
        message: `Dataset ${dataset} does not meet its expectation ${name}: ${message}.`,
      })),
  ])
  return [...asWrittenWarnings(store, data), ...ofDatasets]
}

function manifestOf(store: StorePlan, ports: Ports): DataManifest | null {
  try {
    return readDataManifest(storeRootOf(store, ports))
  } catch (error) {
    if (error instanceof JobError && error.reason === 'MissingVolume') return null
    throw error
  }
}

/** Warnings for a store whose data began before identities were normalised. */
export function asWrittenWarnings(
  store: StorePlan,
  data: Pick<DataManifest, 'normalizesByNamespace' | 'sharedIdentities'>,
): Note[] {
  return comparedAsWritten(store, data).map((namespace) => ({
    code: 'identities-as-written',
    message: `The data of this store began before identities were normalised: ${namespace} is compared as written, so \`Ann@x.test\` and \`ann@x.test\` are two people. Set \`normalize: Email\` of the identity to make them one, or \`normalize: None\` to leave it so.`,
  }))
}
