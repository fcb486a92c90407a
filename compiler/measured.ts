import type { RulePage } from './rules/rule.ts'

/**
 * Guardrails that only data can tell: no resource is at fault, so no compilation finds them. Runs name them by these codes in their reports'
 * warnings, and `plan` where it counts; all are warnings unless the page says otherwise.
 */
export const measured = {
  'large-audience': {
    title: 'A Segment has more than 30 % of all profiles',
    checks:
      'Members of each Segment against the profiles of its store, in `plan` with the data at hand and in each batch evaluation. `convoke.dev/allow: "large-audience: reason"` on the Segment allows it.',
    why: 'So broad an audience is evaluated and activated late; often something is missing in its expression.',
    source: 'Segmentation Service, audience validation',
  },
  'ad-hoc-segments': {
    title: 'An Activation is run by hand with more than 80 Segments',
    checks:
      'Segments of an Activation for which a Run is asked for by hand, by command or by annotation. The request is refused; schedules go on. Approved Segments of a held delivery are not counted.',
    why: 'Experience Platform fails an ad-hoc activation of more than 80 audiences.',
    source: 'Default guardrails for activation data, ad-hoc activation',
  },
  'oversize-records': {
    title: 'A record is too large',
    checks:
      'Each record as it is mapped, as uncompressed JSON: at most 10 KB for an event and 100 KB for a profile. Larger ones are left out and counted (`oversize`).',
    why: 'Experience Platform drops them at ingestion.',
    source: 'Default guardrails for Real-Time Customer Profile data and segmentation; Guardrails for data ingestion',
  },
  'long-arrays': {
    title: 'A record holds long arrays',
    checks:
      'Items of each array: up to 10 in an event, up to 500 in a profile. Longer ones are counted (`longArrays`).',
    why: 'Longer arrays cost performance.',
    source: 'Default guardrails for Real-Time Customer Profile data and segmentation',
  },
  'too-many-events': {
    title: 'A profile has more than 5,000 events',
    checks: 'Events of each profile. Whoever has more is left out of segmentation and counted.',
    why: 'Experience Platform does not consider such profiles for segmentation.',
    source: 'Default guardrails for Real-Time Customer Profile data and segmentation',
  },
  'too-many-identities': {
    title: 'A profile has more than 50 identities',
    checks: 'Identities of each profile with stitching. Whoever has more is left out of segmentation and counted.',
    why: 'Experience Platform leaves such profiles out of segmentation, exports and lookups.',
    source: 'Default guardrails for Real-Time Customer Profile data and segmentation',
  },
  'placeholder-identities': {
    title: 'An identity links very many people',
    checks: 'Values that more than 1,000 people have, and those that stand for nobody: they link nobody.',
    why: 'One such value would make one profile of thousands. Experience Platform marks an identity invalid that has more than 100 links.',
    source: 'Guardrails for Identity Service',
  },
  'many-files': {
    title: 'A batch has more than 10,000 files',
    checks: 'Files of a Dataset that one ingest takes in; beyond 25,000 the warning says that such a batch fails.',
    why: 'Experience Platform does not assure to ingest more than 10,000 files in time, and fails a batch of more than 25,000.',
    source: 'Guardrails for data ingestion',
  },
  'large-batch': {
    title: 'A batch has more than 100 GB',
    checks:
      'Bytes of the files of a Dataset that one ingest takes in; beyond 1 TB the warning says that such a batch fails.',
    why: 'Experience Platform does not assure to ingest more than 100 GB in time, and fails a batch of more than 1 TB.',
    source: 'Guardrails for data ingestion',
  },
  'large-upsert': {
    title: 'A batch updates more than 2 million profiles',
    checks: 'Records that one ingest takes in from a Dataset of profiles.',
    why: 'Batches that update are up to ten times slower, and others wait for them.',
    source: 'Guardrails for data ingestion',
  },
  'many-ingested-batches': {
    title: 'More than 90 batches were ingested within a day',
    checks:
      'Datasets and log tables that brought something in, at each batch ingest and each Run of a CampaignSource of a store within 24 hours.',
    why: 'More than 90 batches of profiles and events in a sandbox and day cost performance.',
    source: 'Default guardrails for Real-Time Customer Profile data and segmentation; Guardrails for data ingestion',
  },
} satisfies Readonly<Record<string, Omit<RulePage, 'bad' | 'good'>>>

export type MeasuredCode = keyof typeof measured

export function isMeasuredCode(code: string): code is MeasuredCode {
  return Object.hasOwn(measured, code)
}

/** The codes that a resource allows by its annotation, with a reason. */
export function allowedMeasured(annotation: string | undefined): readonly MeasuredCode[] {
  return (annotation ?? '').split('\n').flatMap((line) => {
    const [, code = '', reason = ''] = /^\s*([^:\s]+)\s*:\s*(.*\S)\s*$/.exec(line) ?? []
    return reason !== '' && isMeasuredCode(code) ? [code] : []
  })
}
