import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type DeliveryManifest, parseDurationSeconds, validatorOf } from '#crds'
import { sha256OfFile } from '../digest.ts'
import { JobError } from '../errors.ts'
import { departedOf } from '../export/departed.ts'
import { fileNameOf, manifestNameOf } from '../export/file-names.ts'
import type { StepContext } from '../step.ts'
import type { LandingStore } from '../stores/index.ts'

/** One Segment's files of this run. */
export type Delivery = {
  /** The name of the manifest. */
  readonly name: string
  readonly manifest: DeliveryManifest
  /** Where the files lie once they are downloaded, in the manifest's order. */
  readonly paths: readonly string[]
}

export type Sources = {
  readonly context: StepContext
  readonly landing: LandingStore
  readonly scratch: string
  /** How long the landing zone keeps files, such as `168h`. */
  readonly retention: string
}

/** Reasons that lie in one delivery's files, and say nothing about the next delivery. */
export const fileFaults: ReadonlySet<string> = new Set(['ChecksumMismatch', 'RetentionExceeded', 'UnreadableFile'])

/** This run's deliveries, found by the names of their manifests where the plan tells them, else by looking at every manifest. */
export async function findDeliveries(
  { context: { plan, input }, landing, scratch }: Sources,
  names: ReadonlySet<string>,
): Promise<{ readonly deliveries: readonly Delivery[]; readonly faults: readonly JobError[] }> {
  const exported = plan.export
  const candidates = exported
    ? [...exported.segments, ...departedOf(exported, input)].map((segment) =>
        manifestNameOf(fileNameOf(exported, segment, input, 1)),
      )
    : [...names].filter((candidate) => candidate.endsWith('.manifest.json'))
  const found: Delivery[] = []
  const faults: JobError[] = []
  for (const candidate of candidates) {
    const path = join(scratch, 'manifest.json')
    if (!names.has(candidate) || !(await landing.get(candidate, path))) continue
    const manifest = parsedManifest(readFileSync(path, 'utf8'))
    if (typeof manifest === 'string') {
      faults.push(new JobError('UnreadableFile', `${candidate} in ${landing.place} ${manifest}. Run the export again.`))
      continue
    }
    // A Run of the same name with another plan is another Run.
    if (manifest.run !== input.run || manifest.planDigest !== plan.digest) continue
    found.push({
      name: candidate,
      manifest,
      paths: manifest.files.map((_, part) => join(scratch, `file-${found.length}-${part}`)),
    })
  }
  return { deliveries: found, faults }
}

/** The manifest, or a sentence's end that says why it is none. */
function parsedManifest(text: string): DeliveryManifest | string {
  try {
    const value: unknown = JSON.parse(text)
    const [fault] = validatorOf('DeliveryManifest')(value)
    // as validated above
    return fault ? `is no delivery manifest: ${fault.message}` : (value as DeliveryManifest)
  } catch {
    return 'is no JSON'
  }
}

/** Copies a delivery's files to its paths, and checks each against the manifest. Refuses files older than the landing zone keeps them. */
export async function downloaded(sources: Sources, delivery: Delivery): Promise<void> {
  await refuseOld(sources, delivery)
  const { landing } = sources
  const { manifest, paths } = delivery
  for (const [index, file] of manifest.files.entries()) {
    const path = paths[index]!
    const differs = (how: string) =>
      new JobError(
        'ChecksumMismatch',
        `${file.name} in ${landing.place} ${how}. Nothing of it was imported; run the Activation again.`,
      )
    if (!(await landing.get(file.name, path))) throw differs('is gone, although its manifest names it')
    const bytes = statSync(path).size
    if (bytes !== file.bytes) throw differs(`has ${bytes} bytes; its manifest says ${file.bytes}`)
    const digest = await sha256OfFile(path)
    if (digest !== file.sha256) throw differs(`has the SHA-256 ${digest}; its manifest says ${file.sha256}`)
  }
}

/** Checks both the file's own age and the age that the manifest states: either clock may be wrong. */
async function refuseOld({ context, retention, landing }: Sources, { name, manifest }: Delivery): Promise<void> {
  const { ports, input } = context
  const seconds = parseDurationSeconds(retention)
  if (seconds === null) throw new JobError('InvalidPlan', `The retention ${retention} is no duration like 168h.`)
  const written = await landing.stat(name)
  const refuse = (ageMs: number, says: (hours: number) => string, next: string): void => {
    if (ageMs <= seconds * 1000) return
    const said = says(Math.floor(ageMs / 3_600_000))
    throw new JobError(
      'RetentionExceeded',
      `${name} in ${landing.place} is ${said}; the landing zone keeps files for ${retention}. ${next}`,
    )
  }
  if (written)
    refuse(
      ports.now().getTime() - written.modifiedAt.getTime(),
      (hours) => `${hours} h old`,
      'Run the Activation again.',
    )
  refuse(
    new Date(input.now).getTime() - new Date(manifest.evaluatedAt).getTime(),
    (hours) => `of an evaluation ${hours} h ago`,
    'Evaluate its ProfileStore, then run the Activation again.',
  )
}
