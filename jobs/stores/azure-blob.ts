import { stat } from 'node:fs/promises'
import {
  ContainerClient,
  RestError,
  type StoragePipelineOptions,
  StorageSharedKeyCredential,
} from '@azure/storage-blob'
import type { PlaceOf } from '#crds'
import { JobError } from '../errors.ts'
import type { Ports } from '../ports.ts'
import {
  byName,
  type LandingStore,
  objectEntry,
  optionalSecret,
  type StoredEntry,
  safeName,
  splitPrefix,
} from './landing-store.ts'

const blockSize = 8 * 1024 * 1024

/** A blob's blocks become visible together when their list is committed, so no rename is needed. */
export async function openAzureBlob(location: PlaceOf<'azureBlob'>, ports: Ports): Promise<LandingStore> {
  const { account, container: containerName, prefix, endpoint } = location
  const base = prefix === undefined || prefix === '' ? '' : `${safeName(prefix.replace(/\/+$/, ''), containerName)}/`
  const container = containerOf(location, ports)
  const place = `Azure Blob container ${containerName}${base === '' ? '' : `/${base.slice(0, -1)}`}${account || endpoint ? ` of ${endpoint ?? account}` : ''}`
  const blobOf = (name: string) => container.getBlockBlobClient(base + safeName(name, place))

  const guarded = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      throw error instanceof JobError ? error : blobFault(error, what, place, containerName)
    }
  }

  return {
    place,
    put: (name, localPath) =>
      guarded(`write ${name}`, async () => {
        const { size } = await stat(localPath)
        // A blob has at most 50,000 blocks.
        await blobOf(name).uploadFile(localPath, {
          blockSize: Math.max(blockSize, Math.ceil(size / 45_000)),
          concurrency: 4,
        })
      }),
    list: (wanted) =>
      guarded(`list ${wanted || 'blobs'}`, async () => {
        const { folder, start } = splitPrefix(wanted, place)
        const names: string[] = []
        for await (const item of container.listBlobsByHierarchy('/', { prefix: base + folder + start })) {
          if (item.kind === 'blob') names.push(item.name.slice(base.length))
        }
        return names.sort()
      }),
    walk: () =>
      guarded('list blobs', async () => {
        const entries: StoredEntry[] = []
        for await (const { name, properties } of container.listBlobsFlat({ prefix: base, includeMetadata: true })) {
          const { contentLength: bytes = 0, lastModified: modifiedAt } = properties
          if (!name.endsWith('/')) entries.push(objectEntry(name.slice(base.length), { bytes, modifiedAt }))
        }
        return entries.length === 0 ? null : entries.sort(byName)
      }),
    get: (name, localPath) =>
      guarded(`read ${name}`, async () => {
        try {
          await blobOf(name).downloadToFile(localPath)
          return true
        } catch (error) {
          if (isMissing(error)) return false
          throw error
        }
      }),
    stat: (name) =>
      guarded(`look at ${name}`, async () => {
        try {
          const found = await blobOf(name).getProperties()
          return { bytes: found.contentLength ?? 0, modifiedAt: found.lastModified ?? new Date(0) }
        } catch (error) {
          if (isMissing(error)) return null
          throw error
        }
      }),
    remove: (name) =>
      guarded(`remove ${name}`, async () => {
        await blobOf(name).deleteIfExists()
      }),
    close: async () => {},
  }
}

/** The container, reached by account key, shared access signature or connection string, whichever the secret holds. */
function containerOf(
  { account, container, endpoint, credentialsSecretRef }: PlaceOf<'azureBlob'>,
  ports: Ports,
): ContainerClient {
  const secret = credentialsSecretRef?.name
  const options: StoragePipelineOptions = {
    retryOptions: { maxTries: 5, retryDelayInMs: 300, maxRetryDelayInMs: 5_000 },
  }
  const connectionString = optionalSecret(ports, secret, 'connectionString')
  if (connectionString !== undefined) return new ContainerClient(connectionString, container, options)
  if (account === undefined && endpoint === undefined) {
    throw new JobError(
      'InvalidPlan',
      `The Azure Blob container ${container} needs an account or an endpoint, or a connectionString in its secret.`,
    )
  }
  const url = `${(endpoint ?? `https://${account}.blob.core.windows.net`).replace(/\/+$/, '')}/${encodeURIComponent(container)}`
  const accountKey = optionalSecret(ports, secret, 'accountKey')
  if (accountKey !== undefined)
    return new ContainerClient(url, new StorageSharedKeyCredential(account ?? accountIn(url), accountKey), options)
  const sasToken = optionalSecret(ports, secret, 'sasToken')
  if (sasToken !== undefined) return new ContainerClient(`${url}?${sasToken.replace(/^\?/, '')}`, undefined, options)
  throw new JobError(
    'MissingSecret',
    `The Azure Blob container ${container} needs accountKey, sasToken or connectionString in ${secret === undefined ? 'a credentialsSecretRef' : `the secret ${secret}`}.`,
  )
}

/** The account's name, from `https://name.blob.core.windows.net/…`. */
function accountIn(url: string): string {
  return new URL(url).hostname.split('.')[0]!
}

function isMissing(error: unknown): boolean {
  return error instanceof RestError && error.statusCode === 404 && error.code !== 'ContainerNotFound'
}

function blobFault(error: unknown, what: string, place: string, container: string): JobError {
  const rest = error instanceof RestError ? error : null
  const said = (rest?.code ?? (error instanceof Error ? error.message : String(error))).split('\n')[0]
  const next =
    rest?.code === 'ContainerNotFound'
      ? `Create the container ${container}.`
      : rest?.statusCode === 401 || rest?.statusCode === 403
        ? 'Check the key or signature in the credentials secret, and that it may read, write and list there.'
        : 'Check account and endpoint and that the job may reach them.'
  return new JobError('LocationUnavailable', `Cannot ${what} in ${place}: ${said}. ${next}`, error)
}
