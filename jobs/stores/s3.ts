import { createReadStream, createWriteStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
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

/** An object appears whole when its last byte is acknowledged (single put, or completed multipart upload), so no rename is needed. */
export async function openS3(
  { bucket, prefix, region, endpoint, forcePathStyle, credentialsSecretRef }: PlaceOf<'s3'>,
  ports: Ports,
): Promise<LandingStore> {
  const base = prefix === undefined || prefix === '' ? '' : `${safeName(prefix.replace(/\/+$/, ''), `s3://${bucket}`)}/`
  const place = `s3://${bucket}/${base}`.replace(/\/$/, '') + (endpoint === undefined ? '' : ` at ${endpoint}`)
  const client = new S3Client({
    region: region ?? 'us-east-1',
    ...(endpoint !== undefined && { endpoint }),
    forcePathStyle,
    // Back-off with jitter is the SDK's own; five attempts span about ten seconds.
    maxAttempts: 5,
    // Not all servers other than AWS's know the newer trailing checksums.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    ...(credentialsSecretRef && { credentials: credentialsOf(credentialsSecretRef.name, ports) }),
  })
  const keyOf = (name: string) => base + safeName(name, place)

  const guarded = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      throw error instanceof JobError ? error : s3Fault(error, what, place, bucket)
    }
  }

  return {
    place,
    put: (name, localPath) =>
      guarded(`write ${name}`, async () => {
        const { size } = await stat(localPath)
        const upload = new Upload({
          client,
          params: { Bucket: bucket, Key: keyOf(name), Body: createReadStream(localPath) },
          // A multipart upload has at most 10,000 parts.
          partSize: Math.max(8 * 1024 * 1024, Math.ceil(size / 9_000)),
          queueSize: 4,
        })
        await upload.done()
      }),
    list: (wanted) =>
      guarded(`list ${wanted || 'objects'}`, async () => {
        const { folder, start } = splitPrefix(wanted, place)
        const names: string[] = []
        let ContinuationToken: string | undefined
        do {
          const page = await client.send(
            new ListObjectsV2Command({
              Bucket: bucket,
              Prefix: base + folder + start,
              Delimiter: '/',
              ...(ContinuationToken && { ContinuationToken }),
            }),
          )
          for (const object of page.Contents ?? [])
            if (object.Key !== undefined && !object.Key.endsWith('/')) names.push(object.Key.slice(base.length))
          ContinuationToken = page.NextContinuationToken
        } while (ContinuationToken)
        return names.sort()
      }),
    walk: () =>
      guarded('list objects', async () => {
        const entries: StoredEntry[] = []
        let ContinuationToken: string | undefined
        do {
          const page = await client.send(
            new ListObjectsV2Command({
              Bucket: bucket,
              Prefix: base,
              ...(ContinuationToken && { ContinuationToken }),
            }),
          )
          // A key that ends like a folder is a browser's mark for one.
          for (const { Key = '', Size = 0, LastModified = new Date(0) } of page.Contents ?? [])
            if (!Key.endsWith('/'))
              entries.push(objectEntry(Key.slice(base.length), { bytes: Size, modifiedAt: LastModified }))
          ContinuationToken = page.NextContinuationToken
        } while (ContinuationToken)
        return entries.length === 0 ? null : entries.sort(byName)
      }),
    get: (name, localPath) =>
      guarded(`read ${name}`, async () => {
        try {
          const object = await client.send(new GetObjectCommand({ Bucket: bucket, Key: keyOf(name) }))
          // In Node the SDK's body is a Readable; its type also covers browsers.
          await pipeline(
            object.Body instanceof Readable ? object.Body : Readable.from([]),
            createWriteStream(localPath),
          )
          return true
        } catch (error) {
          if (isMissing(error)) return false
          throw error
        }
      }),
    stat: (name) =>
      guarded(`look at ${name}`, async () => {
        try {
          const found = await client.send(new HeadObjectCommand({ Bucket: bucket, Key: keyOf(name) }))
          return { bytes: found.ContentLength ?? 0, modifiedAt: found.LastModified ?? new Date(0) }
        } catch (error) {
          if (isMissing(error)) return null
          throw error
        }
      }),
    remove: (name) =>
      guarded(`remove ${name}`, async () => {
        await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: keyOf(name) }))
      }),
    close: async () => client.destroy(),
  }
}

function credentialsOf(secret: string, ports: Ports) {
  const sessionToken = optionalSecret(ports, secret, 'sessionToken')
  return {
    accessKeyId: ports.secret(secret, 'accessKeyId'),
    secretAccessKey: ports.secret(secret, 'secretAccessKey'),
    ...(sessionToken !== undefined && { sessionToken }),
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof S3ServiceException && (error.name === 'NoSuchKey' || error.name === 'NotFound')
}

function s3Fault(error: unknown, what: string, place: string, bucket: string): JobError {
  const name = error instanceof Error ? error.name : ''
  const said = error instanceof Error ? error.message || name : String(error)
  const status = error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined
  const next =
    name === 'NoSuchBucket'
      ? `Create the bucket ${bucket}.`
      : status === 401 || status === 403
        ? 'Check accessKeyId and secretAccessKey in the credentials secret, and that they may read, write and list there.'
        : 'Check the endpoint and that the job may reach it.'
  return new JobError('LocationUnavailable', `Cannot ${what} in ${place}: ${said}. ${next}`, error)
}
