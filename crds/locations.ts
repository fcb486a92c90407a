import type { DatasetLocation, DestinationLocation } from './generated/job-plan.ts'

/** Where files lie: one kind of place, with the fields from parts/locations.yaml. */
export type Location = DatasetLocation | DestinationLocation
type Places = Required<DatasetLocation & DestinationLocation>
export type LocationKind = keyof Places
export type PlaceOf<Kind extends LocationKind> = Places[Kind]

type Facts<Place> = {
  /** The place in a few words, for pictures. */
  readonly text: (place: Place) => string
  /** The same for the same place, whoever names it and with whichever Secret; without the folder. */
  readonly identity: (place: Place) => readonly (string | number)[]
  /** The field that names a folder in the place, or a file. */
  readonly folder: keyof Place & ('path' | 'prefix')
}

const facts: { readonly [Kind in LocationKind]: Facts<PlaceOf<Kind>> } = {
  volume: {
    text: ({ claimName }) => `volume ${claimName}`,
    identity: ({ claimName }) => [claimName],
    folder: 'path',
  },
  s3: {
    text: ({ bucket }) => `S3 ${bucket}`,
    identity: ({ endpoint = '', bucket }) => [endpoint, bucket],
    folder: 'prefix',
  },
  sftp: {
    text: ({ host }) => `SFTP ${host}`,
    identity: ({ host, port }) => [host.toLowerCase(), port],
    folder: 'path',
  },
  azureBlob: {
    text: ({ container }) => `Azure Blob ${container}`,
    identity: ({ endpoint, account = '', container }) => [endpoint ?? account, container],
    folder: 'prefix',
  },
}

/** The place in words: `SFTP files.example.org`. */
export function locationText(location: Location): string {
  return known(location, ({ text }, place) => text(place))
}

/** Equal for the same folder of the same place. Volumes and networks belong to a namespace. */
export function locationIdentity(location: Location): string {
  const parts = folderOf(location)
    .split('/')
    .filter((part) => part !== '' && part !== '.')
  return known(location, ({ identity }, place, kind) => JSON.stringify([kind, ...identity(place), parts.join('/')]))
}

/** The folder, or the file, that a location names in its place; empty: the whole place. */
export function folderOf(location: Location): string {
  // Every field that can be named here is a text.
  return known(location, ({ folder }, place) => (place[folder] as string | undefined) ?? '')
}

/** Another folder of the same place. */
export function inFolder<Of extends Location>(location: Of, path: string): Of {
  return known(location, ({ folder }, place, kind) => ({ ...location, [kind]: { ...place, [folder]: path } }))
}

/** The kind of a location; null where it names none. */
export function locationKind(location: Location): LocationKind | null {
  return kinds.find((kind) => location[kind] !== undefined) ?? null
}

// The keys of the table; its type says that there are no others.
const kinds = Object.keys(facts) as readonly LocationKind[]

function known<T>(location: Location, use: (facts: Facts<object>, place: object, kind: LocationKind) => T): T {
  const kind = locationKind(location)
  if (kind === null) throw new Error(`A location is one of ${kinds.join(', ')}.`)
  // A row of the table takes the place of its own kind, which TypeScript cannot follow.
  return use(facts[kind] as unknown as Facts<object>, location[kind]!, kind)
}
