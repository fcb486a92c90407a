import type { Location } from '#crds'
import { JobError } from '../errors.ts'
import type { Ports } from '../ports.ts'
import type { LandingStore, LocationKind, LocationOf } from './landing-store.ts'

export type { LandingStore, StoredFile } from './landing-store.ts'

type OpenStore<Kind extends LocationKind> = (location: LocationOf<Kind>, ports: Ports) => Promise<LandingStore>

// Imported on demand, so that a job on volumes never loads a cloud client.
const stores: { readonly [Kind in LocationKind]-?: () => Promise<OpenStore<Kind>> } = {
  volume: async () => (await import('./volume.ts')).openVolume,
  s3: async () => (await import('./s3.ts')).openS3,
  sftp: async () => (await import('./sftp.ts')).openSftp,
  azureBlob: async () => (await import('./azure-blob.ts')).openAzureBlob,
}

/** Keys that `credentialsSecretRef` may bring, as alternatives; those in the last list may be added to any. */
export const secretKeys: Readonly<
  Record<LocationKind, { readonly oneOf: readonly (readonly string[])[]; readonly optional: readonly string[] }>
> = {
  volume: { oneOf: [], optional: [] },
  /** Without a secret: the AWS SDK's own chain (workload identity, instance role). */
  s3: { oneOf: [['accessKeyId', 'secretAccessKey']], optional: ['sessionToken'] },
  /** `knownHostsSecretRef` has the key `known_hosts`, in OpenSSH's format. */
  sftp: {
    oneOf: [
      ['username', 'password'],
      ['username', 'privateKey'],
    ],
    optional: ['passphrase'],
  },
  azureBlob: { oneOf: [['accountKey'], ['sasToken'], ['connectionString']], optional: [] },
}

export async function openLandingStore(location: Location, ports: Ports): Promise<LandingStore> {
  if (location.volume) return (await stores.volume())(location.volume, ports)
  if (location.s3) return (await stores.s3())(location.s3, ports)
  if (location.sftp) return (await stores.sftp())(location.sftp, ports)
  if (location.azureBlob) return (await stores.azureBlob())(location.azureBlob, ports)
  throw new JobError('InvalidPlan', `A location needs one of ${Object.keys(stores).join(', ')}; this one has none.`)
}
