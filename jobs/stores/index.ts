import { type DestinationLocation, locationKind, type PlaceOf } from '#crds'
import { JobError } from '../errors.ts'
import type { Ports } from '../ports.ts'
import type { LandingStore } from './landing-store.ts'

export type { LandingStore, StoredFile } from './landing-store.ts'

type Kind = keyof DestinationLocation
type OpenStore<K extends Kind> = (place: PlaceOf<K>, ports: Ports) => Promise<LandingStore>

// Loaded on demand, so that a job on volumes never loads a cloud client.
const stores: { readonly [K in Kind]: () => Promise<OpenStore<K>> } = {
  volume: async () => (await import('./volume.ts')).openVolume,
  s3: async () => (await import('./s3.ts')).openS3,
  sftp: async () => (await import('./sftp.ts')).openSftp,
  azureBlob: async () => (await import('./azure-blob.ts')).openAzureBlob,
}

export async function openLandingStore(location: DestinationLocation, ports: Ports): Promise<LandingStore> {
  const kind = locationKind(location)
  if (kind === null)
    throw new JobError('InvalidPlan', `A location needs one of ${Object.keys(stores).join(', ')}; this one has none.`)
  return open(kind, location, ports)
}

async function open<K extends Kind>(kind: K, location: DestinationLocation, ports: Ports): Promise<LandingStore> {
  // A row of the table takes places of its own kind, which TypeScript cannot follow.
  return (await stores[kind]())(location[kind] as PlaceOf<K>, ports)
}
