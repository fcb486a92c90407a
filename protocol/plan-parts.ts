// The form in which a plan travels to its jobs: one document, packed, in parts.
import { gunzipSync, gzipSync } from 'node:zlib'
import { canonicalJson, digestOf, type JobPlan, labels, managedBy } from '#crds'

export type ConfigMap = {
  readonly apiVersion: 'v1'
  readonly kind: 'ConfigMap'
  readonly metadata: {
    readonly name: string
    readonly namespace: string
    readonly labels: Readonly<Record<string, string>>
  }
  readonly immutable: true
  /** Base64. */
  readonly binaryData: Readonly<Record<string, string>>
}

/** Bytes of one part: the API server takes 1 MiB of a ConfigMap in all, counted before base64. */
const partBytes = 900_000

/**
 * The ConfigMaps that carry a plan to its jobs. They are named by its digest and immutable, so that a changed resource never touches a
 * Run in flight.
 * Content: the canonical JSON, gzipped, in parts `plan.json.gz.000`, `plan.json.gz.001`, …, one to a ConfigMap. Mounted into one folder
 * they are what `--plan` of a step takes.
 */
export function planConfigMaps(plan: JobPlan): readonly ConfigMap[] {
  const digits = plan.digest.slice('sha256:'.length, 'sha256:'.length + 40)
  const packed = gzipSync(canonicalJson(plan), { level: 9 })
  // Every machine makes the same bytes: gzip's tenth byte names the operating system (255: unknown), and its time is zero already.
  packed[9] = 255
  return Array.from({ length: Math.ceil(packed.length / partBytes) }, (_, index) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: index === 0 ? `plan-${digits}` : `plan-${digits}-${index + 1}`,
      namespace: plan.target.namespace,
      labels: {
        [labels.managedBy]: managedBy,
        [labels.targetKind]: plan.target.kind,
        [labels.target]: plan.target.name,
        [labels.plan]: digits,
      },
    },
    immutable: true,
    binaryData: { [partName(index)]: packed.subarray(index * partBytes, (index + 1) * partBytes).toString('base64') },
  }))
}

/** `plan.json.gz.000`, `plan.json.gz.001`, …: the files that the parts are mounted as. */
export function partName(index: number): string {
  return `plan.json.gz.${String(index).padStart(3, '0')}`
}

export function isPartName(name: string): boolean {
  return /^plan\.json\.gz\.\d{3}$/.test(name)
}

/** The JSON of a plan from its parts in order. Throws where the parts are not complete. */
export function unpackedPlan(parts: readonly Uint8Array[]): string {
  return gunzipSync(Buffer.concat(parts)).toString('utf8')
}

/** The digest of a plan's content: equal to the plan's own `digest` unless the content was changed. */
export function digestOfPlan({ digest: _, ...body }: JobPlan): string {
  return digestOf(body)
}
